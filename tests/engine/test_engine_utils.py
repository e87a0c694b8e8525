"""Registry, meters, logger, seeds, files, and what importing costs."""

import ast
import importlib
import io
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import dassl
from dassl.engine import build_trainer
from dassl.modeling import build_backbone, build_head, build_network
from dassl.utils import (
    AverageMeter,
    Logger,
    MetricMeter,
    Registry,
    check_availability,
    check_isfile,
    collect_env_info,
    download_url,
    get_most_similar_str_to_a_from_b,
    listdir_nohidden,
    mkdir_if_missing,
    read_json,
    set_random_seed,
    setup_logger,
    tolist_if_not,
    write_json,
)


def test_import_is_light():
    script = (
        "import sys, dassl.engine, dassl.config, dassl.optim, dassl.metrics, dassl.utils;"
        "heavy = {'tensorboard', 'gdown', 'pandas', 'wilds', 'sklearn', 'scipy', 'six'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    engine = Path(dassl.__file__).parents[1]  # not the one that is installed
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=engine)
    assert done.returncode == 0, done.stderr


def test_version():
    assert dassl.__version__ == "0.6.3+promptkit1"
    assert dassl.__author__ and dassl.__homepage__


# Upstream's interface: files of others import these, whether anything of ours does or not.
UPSTREAM = {
    "dassl.engine": "TRAINER_REGISTRY build_trainer TrainerX TrainerXU TrainerBase "
    "SimpleTrainer SimpleNet",
    "dassl.engine.trainer": "TrainerX TrainerXU TrainerBase SimpleTrainer SimpleNet",
    "dassl.engine.build": "TRAINER_REGISTRY build_trainer",
    "dassl.data": "DataManager DatasetWrapper",
    "dassl.data.data_manager": "DataManager DatasetWrapper build_data_loader",
    "dassl.data.samplers": "build_sampler",
    "dassl.data.transforms": "INTERPOLATION_MODES build_transform",
    "dassl.data.transforms.transforms": "AVAI_CHOICES",
    "dassl.data.datasets": "DATASET_REGISTRY build_dataset Datum DatasetBase",
    "dassl.data.datasets.base_dataset": "Datum DatasetBase",
    "dassl.evaluation": "EVALUATOR_REGISTRY build_evaluator EvaluatorBase Classification",
    "dassl.metrics": "compute_accuracy cosine_distance compute_distance_matrix "
    "euclidean_squared_distance",
    "dassl.optim": "build_optimizer build_lr_scheduler",
    "dassl.optim.radam": "RAdam",
    "dassl.optim.lr_scheduler": "ConstantWarmupScheduler LinearWarmupScheduler AVAI_SCHEDS",
    "dassl.config": "get_cfg_default clean_cfg",
    "dassl.modeling": "HEAD_REGISTRY NETWORK_REGISTRY BACKBONE_REGISTRY build_head "
    "build_network build_backbone Backbone",
    "dassl.utils": "setup_logger set_random_seed collect_env_info load_checkpoint "
    "load_pretrained_weights read_json write_json mkdir_if_missing listdir_nohidden "
    "check_isfile save_checkpoint resume_from_checkpoint open_all_layers read_image "
    "open_specified_layers count_num_param init_network_weights download_url Logger Registry",
}


def test_upstreams_interface_is_there():
    for module, names in UPSTREAM.items():
        loaded = importlib.import_module(module)
        missing = [name for name in names.split() if not hasattr(loaded, name)]
        assert not missing, f"{module}: {missing}"


def test_what_nothing_of_ours_calls_is_upstreams_interface():
    engine = Path(dassl.__file__).parents[1]
    folders = "engine", "promptkit", "trainers", "datasets", "benchmarks"
    paths = [path for folder in folders for path in (engine.parent / folder).rglob("*.py")]
    ours = [ast.parse(path.read_text()) for path in (*paths, engine.parent / "train.py")]
    used = {name for tree in ours for node in ast.walk(tree) for name in _names(node)}
    used |= {name for names in UPSTREAM.values() for name in names.split()}
    public = [
        f"{path.relative_to(engine)}: {node.name}"
        for path in engine.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    assert len(public) > 80
    assert not [name for name in public if name.split(": ")[1] not in used]


def _names(node: ast.AST) -> list[str]:
    """What is named where something is done with it: to import a name is not yet to use it."""
    return [node.id] if isinstance(node, ast.Name) else [getattr(node, "attr", "")]


def test_registry():
    registry = Registry("THING")

    @registry.register()
    class MaPLe:
        pass

    def coop():
        pass

    assert registry.register(coop) is None
    assert registry.get("MaPLe") is MaPLe and registry.get("coop") is coop
    assert registry.registered_names() == ["MaPLe", "coop"]
    with pytest.raises(KeyError) as error:
        registry.register(coop)
    assert str(error.value).startswith(
        f'An object named "coop" was already registered in "THING" registry, by {__name__}. Rename '
        f"the one in {__name__}, and what refers to it"
    )
    registry.register(coop, force=True)
    with pytest.raises(KeyError) as error:
        registry.get("mapel")
    assert str(error.value) == (
        'Object name "mapel" does not exist in "THING" registry. '
        'Did you mean "MaPLe"? Known: MaPLe, coop'
    )
    with pytest.raises(KeyError, match="registry is empty: import the module"):
        Registry("OTHER").get("x")


def test_check_availability():
    check_availability("b", ["a", "b"])
    with pytest.raises(ValueError) as error:
        check_availability("CoOpp", ["CoOp", "MaPLe"])
    assert str(error.value) == (
        "The requested one is expected to belong to ['CoOp', 'MaPLe'], "
        "but got [CoOpp] (do you mean [CoOp]?)"
    )
    with pytest.raises(ValueError, match="nothing is registered yet"):
        check_availability("a", [])
    assert get_most_similar_str_to_a_from_b("ab", ["ax", "xa", "ay"]) == "ay"


@pytest.mark.parametrize("build", [build_backbone, build_head, build_network])
def test_unknown_parts(build):
    with pytest.raises(ValueError, match="resnet999"):
        build("resnet999")


def test_unknown_trainer(make_cfg):
    with pytest.raises(ValueError, match=r"do you mean \[TinyPrompt\]"):
        build_trainer(make_cfg("TRAINER.NAME", "TinyPromt"))


def test_mlp_head(capsys):
    head = build_head("mlp", in_features=4, hidden_layers=(8, 6), activation="relu", dropout=0.5)
    assert capsys.readouterr().out == "Head: mlp\n"
    kinds = ["Linear", "BatchNorm1d", "ReLU", "Dropout"] * 2
    assert [type(layer).__name__ for layer in head] == kinds
    assert head(torch.zeros(3, 4)).shape == (3, head.out_features) == (3, 6)
    with pytest.raises(ValueError, match='relu, leaky_relu; got "tanh"'):
        build_head("mlp", verbose=False, hidden_layers=3, activation="tanh")
    with pytest.raises(ValueError, match="at least one width"):
        build_head("mlp", verbose=False)


def test_meters():
    meter = MetricMeter()
    meter.update({"loss": 1.0, "acc": torch.tensor(50.0)})
    meter.update(None)
    meter.update({"loss": torch.tensor([2.0]), "acc": 75})
    assert str(meter) == "loss 2.0000 (1.5000) acc 75.0000 (62.5000)"
    assert meter.meters["loss"].sum == 3.0
    with pytest.raises(TypeError, match="got float"):
        meter.update(1.0)
    average = AverageMeter()
    average.update(1.0, n=3)
    average.update(5.0)
    assert (average.val, average.avg, average.count) == (5.0, 2.0, 4)
    ema = AverageMeter(ema=True)
    ema.update(10.0)
    ema.update(10.0)
    assert ema.avg == pytest.approx(1.9)


class Console(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True

    def fileno(self):
        return 42


def test_logger_behaves_like_its_console(tmp_path, monkeypatch):
    console = Console()
    monkeypatch.setattr(sys, "stdout", console)
    setup_logger(None)
    assert sys.stdout is console
    setup_logger(str(tmp_path / "run"))
    print("hello")
    logger = sys.stdout
    assert (logger.isatty(), logger.fileno(), logger.encoding) == (True, 42, "utf-8")
    assert logger.writable()
    logger.flush()
    assert (tmp_path / "run" / "log.txt").read_text() == "hello\n" == console.getvalue()
    logger.close()
    print("after")
    assert not console.closed and console.getvalue() == "hello\nafter\n"
    assert (tmp_path / "run" / "log.txt").read_text() == "hello\n"


def test_second_log_gets_a_time_suffix(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Console())
    setup_logger(str(tmp_path))
    print("first")
    setup_logger(str(tmp_path))
    print("second")
    sys.stdout.close()
    old, new = sorted(tmp_path.iterdir())
    assert (old.name, old.read_text()) == ("log.txt", "first\n")
    assert new.read_text() == "second\n"
    assert new.match("log.txt-20[0-9][0-9]-[01][0-9]-[0-3][0-9]-[0-9][0-9]-[0-9][0-9]-[0-9][0-9]")
    setup_logger(str(tmp_path / "other.log"))
    sys.stdout.close()
    assert (tmp_path / "other.log").is_file()


def test_logger_without_a_file(capsys):
    with Logger() as logger:
        assert logger.write("x") == 1
    assert capsys.readouterr().out == "x"


def test_set_random_seed():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    set_random_seed(0)
    first = draw()
    assert draw() != first
    set_random_seed(0)
    assert draw() == first
    set_random_seed(1)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_files(tmp_path):
    path = tmp_path / "new" / "a.json"
    write_json({"a": [1, 2]}, str(path))
    assert path.read_text() == '{\n    "a": [\n        1,\n        2\n    ]\n}'
    assert read_json(str(path)) == {"a": [1, 2]}
    mkdir_if_missing(str(tmp_path / "new"))
    for name in ("b", ".hidden", "a"):
        (tmp_path / "new" / name).touch()
    assert listdir_nohidden(str(tmp_path / "new"), sort=True) == ["a", "a.json", "b"]
    assert set(listdir_nohidden(str(tmp_path / "new"))) == {"a", "a.json", "b"}
    assert check_isfile(str(path))
    with pytest.warns(UserWarning, match='No file found at ".*gone"'):
        assert not check_isfile(str(tmp_path / "gone"))
    assert tolist_if_not("ab") == ["ab"] and tolist_if_not([1]) == [1]


def test_download_url(tmp_path):
    (tmp_path / "source").write_text("data")
    download_url((tmp_path / "source").as_uri(), str(tmp_path / "target"))
    assert (tmp_path / "target").read_text() == "data"
    with pytest.raises(OSError):
        download_url((tmp_path / "gone").as_uri(), str(tmp_path / "other"))
    assert not list(tmp_path.glob("other*"))


def test_collect_env_info_names_packages_and_devices(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda index: f"Board {index}")
    lines = dict(line.split(maxsplit=1) for line in collect_env_info().splitlines())
    assert torch.__version__.startswith(lines["torch"]) and lines["numpy"] == np.__version__
    assert lines["dassl"].startswith("0.6.3")
    assert collect_env_info().count("Board 0, Board 1") == 1


def test_progress_bar_only_on_a_terminal(make_trainer, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    quiet, terminal = io.StringIO(), Terminal()
    for stream in (quiet, terminal):
        monkeypatch.setattr(sys, "stderr", stream)
        trainer = make_trainer("TEST.NO_TEST", True, "OPTIM.MAX_EPOCH", 1)
        trainer.output_dir += "-more"  # train anew
        trainer.train()
    assert quiet.getvalue() == ""
    assert "0/3" in terminal.getvalue()
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("epoch [1/1] batch [3/3] time ") for line in lines) == 2
