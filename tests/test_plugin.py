"""Our trainers in another repository: what is installed, what is added, what is left alone."""

import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from yacs.config import CfgNode

import dassl
import train
import trainers  # noqa: F401  (registers them, before a test empties the registry)
from dassl.config import get_cfg_default
from dassl.engine import TRAINER_REGISTRY
from promptkit import clone, plugin, recipes, registry
from promptkit.backbones import __main__ as listing
from promptkit.backbones.loading import load_clip
from promptkit.runs import merged_config
from tests.other_repository import accuracies, options, run_python, write_repository
from tests.test_architecture import FILES, imports, package, tracked
from tests.test_upstream_engine import ClosingLogger, set_up_closing_logger

PROJECT = Path(train.__file__).parent
# Files of the project that are installed, and the folder that they then lie in.
INSTALLED_AS = {
    "promptkit/*.py": "promptkit",
    "trainers/*.py": "promptkit/trainers",
    "configs/trainers/*.yaml": "promptkit/recipe_files",
    "reports/published/numbers/*": "promptkit/published",
    "run_files/*.py": "run_files",
    "whole_files/*.py": "whole_files",
}
# Runs train.py with each list of arguments, in one process; then a command of promptkit, and says
# who is registered.
RUNS = """
import runpy, sys
for arguments in {runs!r}:
    sys.argv = ["train.py", *arguments]
    runpy.run_path("train.py", run_name="__main__")
import promptkit.trainers
from dassl.engine import TRAINER_REGISTRY
from promptkit.use.predict import main
assert main({predict!r}) == 0
for name in ("CoOp", "E2MIM"):
    print("registered:", name, TRAINER_REGISTRY.get(name).__module__)
"""


@pytest.fixture
def installed(monkeypatch):
    """The folder trainers/ as `promptkit.trainers`, and no trainer registered."""
    monkeypatch.setattr(TRAINER_REGISTRY, "_objects", {})
    folder = PROJECT / "trainers"
    spec = importlib.util.spec_from_file_location(
        registry.INSTALLED, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, registry.INSTALLED, module)
    spec.loader.exec_module(module)
    yield module
    registry.TRAINERS.clear()
    for name in [name for name in sys.modules if name.startswith(f"{registry.INSTALLED}.")]:
        del sys.modules[name]


def their(name: str) -> type:
    """A trainer of the repository."""
    trainer = type(name, (), {"__module__": "trainers.theirs", "Config": {"N_CTX": 4}})
    TRAINER_REGISTRY.register(trainer)
    return trainer


def test_the_installed_package_registers_nothing_by_itself(installed):
    assert len(installed.MODULES) >= 13 and len(registry.TRAINERS) >= 13
    assert not set(registry.TRAINERS) & set(TRAINER_REGISTRY.registered_names())


def test_beside_the_clones_trainers_nothing_is_registered_twice(installed, monkeypatch, capsys):
    own = {
        kind.__name__: kind
        for module in trainers.MODULES
        for kind in vars(module).values()
        if getattr(kind, "__module__", "") == module.__name__ and hasattr(kind, "Config")
    }
    monkeypatch.setattr(TRAINER_REGISTRY, "_objects", dict(own))
    plugin.register()
    assert len(own) >= 13 and TRAINER_REGISTRY._objects == own
    assert "E2MIM (trainers.e2mim)" in capsys.readouterr().out


def test_all_are_added_but_those_that_the_repository_has(installed, capsys):
    coop, cfg = their("CoOp"), get_cfg_default()
    cfg.TRAINER.COOP = CfgNode({"N_CTX": 3})
    cfg.DATASET.TEMPLATE = "theirs {}."
    plugin.extend_cfg(cfg)
    said = (
        "promptkit leaves the trainers alone that are registered already: CoOp (trainers.theirs)\n"
    )
    assert capsys.readouterr().out == said
    assert TRAINER_REGISTRY.get("CoOp") is coop
    assert set(registry.TRAINERS) <= set(TRAINER_REGISTRY.registered_names())
    assert TRAINER_REGISTRY.get("E2MIM") is registry.TRAINERS["E2MIM"]
    assert cfg.TRAINER.COOP == {"N_CTX": 3} and cfg.TRAINER.E2MIM.MI.BOUND == "infonce"
    assert cfg.DATASET.TEMPLATE == "theirs {}." and cfg.FEATURES.VIEWS == 0
    assert cfg.MODEL.BACKBONE.ACTIVATION == "auto"
    # What only our data sets read: in the repository it would have no effect.
    assert "SUBSAMPLE_CLASSES" not in cfg.DATASET and "FOLDER" not in cfg.DATASET
    plugin.extend_cfg(get_cfg_default())
    assert capsys.readouterr().out == ""


def test_some_only(installed, capsys):
    cfg = get_cfg_default()
    plugin.register("E2MIM", "KgCoOp")
    plugin.extend_cfg(cfg)
    assert set(registry.TRAINERS) & set(TRAINER_REGISTRY.registered_names()) == {"E2MIM", "KgCoOp"}
    assert set(cfg.TRAINER) == {"NAME", "E2MIM", "KGCOOP"} and capsys.readouterr().out == ""


def test_a_node_that_the_repository_has_keeps_its_values(installed):
    cfg = get_cfg_default()
    cfg.TRAINER.MAPLE = CfgNode({"N_CTX": 3, "PREC": "fp16"})
    plugin.extend_cfg(cfg)
    node = cfg.TRAINER.MAPLE
    assert (node.N_CTX, node.PREC, node.PROMPT_DEPTH, node.CHUNK) == (3, "fp16", 9, 1024)


def test_what_cannot_be_added_says_why(installed, monkeypatch):
    with pytest.raises(ValueError, match="TCP, TaskRes, .*; got 'E2MM'. Did you mean 'E2MIM'"):
        plugin.register("E2MM")
    cfg = get_cfg_default()
    cfg.FEATURES = "all"
    with pytest.raises(ValueError, match="'all' at FEATURES, where .* FEATURES.VIEWS, FEATURES.S"):
        plugin.extend_cfg(cfg)
    cfg = get_cfg_default()
    cfg.freeze()
    with pytest.raises(ValueError, match="comes too late, the config is frozen"):
        plugin.extend_cfg(cfg)
    monkeypatch.setattr(plugin, "INSTALLED", "promptkit.nothing")
    with pytest.raises(ImportError, match=f"in a clone, {PROJECT}, .* pip install {PROJECT}"):
        plugin.register()


def test_installed_there_are_no_pocket_weights_and_nothing_beside(monkeypatch, capsys):
    monkeypatch.setattr(clone, "IS_CLONE", False)
    assert clone.from_clone("trainers") is None
    with pytest.raises(ValueError, match="Pocket: .* path of pocket/pocket_clip.pt in a clone"):
        load_clip("Pocket")
    assert listing.main(["ViT-B/32"]) == 0
    assert "Also weights files by their path" in capsys.readouterr().out


def test_recipes_are_found_by_name_and_merge_by_yacs_rules(capsys):
    assert len(recipes.recipes()) >= 40
    for path in recipes.recipes():
        cfg = get_cfg_default()
        merged_config.extend_cfg(cfg)
        cfg.merge_from_file(str(path))
    assert recipes.main(["E2MIM", "vit_b16_ctxv1"]) == 0
    assert capsys.readouterr().out == f"{PROJECT}/configs/trainers/E2MIM/vit_b16_ctxv1.yaml\n"
    assert recipes.main(["E2MIM", "vit"]) == 1
    message = capsys.readouterr().err
    assert "recipe of E2MIM must be one of pocket, pocket_over_ivlp, " in message
    assert recipes.main(["E2"]) == 1
    assert "trainer must be one of CLAP, CLIPAdapter," in capsys.readouterr().err
    assert recipes.main([]) == 0
    assert capsys.readouterr().out.endswith(
        f"Published numbers: {PROJECT}/reports/published/numbers\n"
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """What `pip install .` installs."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in tracked("*"):  # not in the project itself, where building leaves a folder
        if path.suffix != ".pt":
            (source / path.relative_to(PROJECT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, source / path.relative_to(PROJECT))
    pip("wheel", "--no-build-isolation", "--wheel-dir", built, source)
    return next(built.glob("*.whl"))


def pip(command: str, *arguments: str | Path) -> None:
    """Without the index, and without what a distribution depends on."""
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, *options, *map(str, arguments)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def python(wheel, tmp_path_factory) -> str:
    """Python of a fresh environment with the wheel, which sees the packages of this one."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    packages = next(place.glob("lib/python*/site-packages"))
    ours = Path(torch.__file__).parents[1]  # editable installs in it do not count from there
    (packages / "this_one.pth").write_text(f"{ours}\n")
    pip("install", "--target", packages, wheel)
    return str(place / "bin/python")


def test_one_package_is_installed_with_all_that_belongs_to_it(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        f"{place}/{path.relative_to(PROJECT / pattern.rpartition('/')[0])}"
        for pattern, place in INSTALLED_AS.items()
        for path in tracked(pattern)
    }
    assert names == wanted and len(names) > 120


def test_what_is_imported_is_asked_for(wheel):
    metadata = next(name for name in zipfile.ZipFile(wheel).namelist() if "METADATA" in name)
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    assert f'\nRequires-Dist: dassl=={dassl.__version__}; extra == "engine"\n' in text
    asked_for = set(re.findall(r"^Requires-Dist: ([\w-]+)", text, re.M))
    roots = {
        module.split(".")[0]
        for path, tree in FILES.items()
        if package(path) in ("promptkit", "trainers", "run_files", "whole_files")
        for module, _ in imports(tree)
    }
    roots -= {*sys.stdlib_module_names, "promptkit", "run_files", "whole_files"}
    assert {"torch", "dassl", "yaml", "open_clip"} <= roots
    named = {"yaml": "pyyaml", "open_clip": "open_clip_torch"}  # otherwise than what is imported
    comes_with_another = {"huggingface_hub"}  # open_clip_torch
    assert {named.get(root, root) for root in roots} - comes_with_another <= asked_for


def stand_in_for_upstream(folder: Path) -> Path:
    """An engine with upstream's names alone, and without what ours does beyond upstream's."""
    shutil.copytree(PROJECT / "engine/dassl", folder / "dassl")

    def change(file: str, old: str, new: str) -> None:
        text = (folder / "dassl" / file).read_text()
        assert old in text, file
        (folder / "dassl" / file).write_text(text.replace(old, new))

    change("__init__.py", dassl.__version__, "0.6.3")
    change("config/__init__.py", "from dassl.config.merge import", "# ")
    change("data/data_manager.py", "is_seeded = is_train and", "is_seeded = False and")
    change("utils/registry.py", "_objects", "_obj_map")
    logger = "import os\nimport sys\n\n\n" + inspect.getsource(ClosingLogger)
    logger += "\n\n" + inspect.getsource(set_up_closing_logger)
    names = "\n\nLogger, setup_logger = ClosingLogger, set_up_closing_logger\n"
    (folder / "dassl/utils/logger.py").write_text(logger + names)
    return folder


def lines_of_the_readme() -> list[str]:
    """The two that are added to train.py."""
    text = (PROJECT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    return [line.partition("#")[0].strip() for line in code.splitlines() if line]


@pytest.fixture
def half_weights(tiny_weights, tmp_path) -> str:
    """The tiny CLIP in half precision, as OpenAI's weights are: `clip` opens others rounded."""
    content = torch.load(tiny_weights)
    state = {name: tensor.half() for name, tensor in content["state_dict"].items()}
    torch.save(content | {"state_dict": state}, tmp_path / "half.pt")
    return str(tmp_path / "half.pt")


@pytest.mark.parametrize("engine", ["ours", pytest.param("upstream's", marks=pytest.mark.large)])
def test_e2mim_beside_the_repositorys_own_coop(
    tmp_path, tiny_root, tiny_argv, tiny_clip, half_weights, python, engine
):
    imported, line = lines_of_the_readme()
    place = tmp_path / "repository"
    write_repository(place, "CoOp", half_weights, imported=imported, line=line)
    ours = engine == "ours"
    path = [PROJECT / "engine" if ours else stand_in_for_upstream(tmp_path / "upstream")]
    command = ["-m", "promptkit.recipes", "E2MIM", "vit_b16_ctxv1"]
    recipe = run_python(command, place, path, python).strip()
    assert Path(recipe).is_relative_to(Path(python).parents[1])
    flags, off = ("--config-file", recipe), ("TRAINER.E2MIM.ALPHA", 0.0, "TRAINER.E2MIM.BETA", 0.0)
    load = ("--eval-only", "--model-dir", str(tmp_path / "whole"), "--load-epoch", "2")
    runs = [
        options(tiny_argv("CoOp", output="theirs", flags=flags)),
        options(tiny_argv("E2MIM", *off, output="plain", flags=flags), half_weights),
        options(tiny_argv("E2MIM", output="whole", flags=flags), half_weights),
        options(tiny_argv("E2MIM", output="again", flags=(*flags, *load)), half_weights),
    ]
    image = f"{tiny_root}/tiny/images/star_0.png"
    predict = ["--model-dir", str(tmp_path / "whole"), "--trainer", "E2MIM", *flags, image]
    predict += ["--classes", "star, ring", "--set", "INPUT.SIZE", "(32, 32)"]
    predict += ["--backbone", half_weights]
    printed = run_python(["-c", RUNS.format(runs=runs, predict=predict)], place, path, python)
    assert printed.count(image) == 2  # one line for each class
    assert "leaves the trainers alone that are registered already: CoOp (trainers.coop)" in printed
    assert "registered: CoOp trainers.coop" in printed
    assert "registered: E2MIM promptkit.trainers.e2mim" in printed
    theirs, plain, whole, again = accuracies(printed)
    assert theirs == plain and whole == again

    contexts = [
        torch.load(tmp_path / name / "prompt_learner/model.pth.tar-2")["state_dict"]["ctx"]
        for name in ("theirs", "plain", "whole")
    ]
    torch.testing.assert_close(contexts[1], contexts[0], rtol=1e-4, atol=1e-6)
    start = tiny_clip.token_embedding(torch.tensor([320, 1125, 539, 320]))  # "a photo of a"
    assert (contexts[0] - start).abs().max() > 1e-3
    assert (contexts[2] - contexts[1]).abs().max() > 1e-3


def test_what_a_trainer_misses_is_not_called_a_clone(installed, monkeypatch):
    def fail(name):
        raise ModuleNotFoundError("No module named 'yacs'", name="yacs")

    monkeypatch.setattr(plugin.importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError, match="No module named 'yacs'"):
        plugin.register()
