"""The house rules that a machine can check; a failure names the file and the number."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import datasets  # noqa: F401  (registers the data sets)
import train
import trainers  # noqa: F401  (registers the trainers)
from dassl.data.datasets import DATASET_REGISTRY
from dassl.engine import TRAINER_REGISTRY

PROJECT = Path(train.__file__).parent
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_README_LINES = 350, 60, 150
OURS = {
    "ablation", "benchmarks", "dassl", "datasets", "pocket", "promptkit", "protocols", "reports",
    "run_files", "trainers", "train", "whole_files", "woven",
}  # fmt: skip
# What each package may import of ours, besides itself.
ARROWS = {
    "ablation": {
        "dassl",
        "datasets",
        "pocket",
        "promptkit",
        "reports",
        "train",
        "trainers",
        "whole_files",
        "woven",
    },
    "engine": set(),
    "whole_files": set(),
    "woven": {"datasets", "promptkit", "trainers", "whole_files"},
    "pocket": {"whole_files", "woven"},
    "run_files": set(),
    "protocols": {"run_files", "train", "whole_files"},
    "reports": {"run_files", "whole_files"},
    "promptkit": {"dassl", "run_files", "whole_files"},
    "datasets": {"dassl", "whole_files"},
    "trainers": {"dassl", "promptkit"},
    "benchmarks": {"dassl", "datasets", "promptkit", "reports", "run_files", "train"},
}
# What each room of promptkit may import of the others, besides those that any may; what
# lies beside the rooms may import all.
FOR_ALL = {"files", "clone", "descriptions", "did_you_mean", "random_state", "ranks"}
ROOMS = {
    "backbones": set(),
    "objectives": set(),
    "stores": set(),
    "encoders": {"backbones"},
    "prompts": {"backbones", "encoders"},
    "runs": {"backbones", "encoders", "config"},
    "checkpoints": {"backbones", "runs"},
    "use": {"backbones", "encoders", "prompts", "objectives", "stores", "runs", "checkpoints",
            "config", "trainer", "plugin"},
}  # fmt: skip
# The same of reports, besides reports/files.py and reports/unknown_names.py.
ROOMS_OF_REPORTS = {
    "runs": set(),
    "layout": {"runs"},
    "published": {"runs", "layout"},
    "tables": {"runs", "layout", "published"},
    "figures": {"runs", "layout", "tables"},
    "output": {"runs", "layout", "figures"},
}
DRAWING = {"datasets/drawn.py", "datasets/contact_sheet.py"}  # promptkit has the weights by name
OURS_WITH_A_FALLBACK = {"merge_opts", "merge_tree", "read_yaml"}  # promptkit/runs/engine_merging.py
# Upstream Dassl's interface: trainers, promptkit and data sets import nothing else of it.
UPSTREAM_NAMES = {
    "dassl.engine": {"TRAINER_REGISTRY", "TrainerX", "build_trainer"},
    "dassl.config": {"get_cfg_default", *OURS_WITH_A_FALLBACK},
    "dassl.optim": {"build_optimizer", "build_lr_scheduler"},
    "dassl.metrics": {"compute_accuracy"},
    "dassl.utils": {
        "setup_logger", "set_random_seed", "collect_env_info", "load_checkpoint",
        "load_pretrained_weights", "read_json", "write_json", "mkdir_if_missing",
        "listdir_nohidden", "check_isfile", "read_image",
    },
    "dassl.data": {"DatasetWrapper"},
    "dassl.data.transforms": {"build_transform"},
    "dassl.data.datasets": {"DATASET_REGISTRY", "Datum", "DatasetBase"},
}  # fmt: skip


def tracked(pattern: str) -> list[Path]:
    """Files of the project by suffix or name, without what git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    paths = [PROJECT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file()]


FILES = {path: ast.parse(path.read_text()) for path in tracked("*.py")}


def package(path: Path) -> str:
    return path.relative_to(PROJECT).parts[0]


def imports(tree: ast.AST) -> list[tuple[str, str]]:
    """(module, name) of every import in a file; the name is "" for `import module`."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            found += [(node.module, alias.name) for alias in node.names]
    return found


def test_the_files_are_found():
    packages = {package(path) for path in FILES}
    assert packages >= set(ARROWS) | {"train.py", "tests"} and len(FILES) > 60


@pytest.mark.parametrize("name", sorted(ARROWS))
def test_arrows_go_one_way(name):
    own = "dassl" if name == "engine" else name
    wrong = [
        f"{path.relative_to(PROJECT)} imports {module}"
        for path, tree in FILES.items()
        if package(path) == name
        for module, _ in imports(tree)
        if (root := module.split(".")[0]) in OURS
        and root not in {own, *ARROWS[name]}
        and not (root in ("pocket", "woven") and str(path.relative_to(PROJECT)) in DRAWING)
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("name", "room", "others"),
    [("promptkit", room, {*FOR_ALL, *others}) for room, others in ROOMS.items()]
    + [("reports", room, {"files", "unknown_names", *others})
       for room, others in ROOMS_OF_REPORTS.items()],
)  # fmt: skip
def test_arrows_between_rooms(name, room, others):
    files = [path for path in FILES if path.relative_to(PROJECT).parts[:2] == (name, room)]
    wrong = [
        f"{path.relative_to(PROJECT)} imports {module}.{imported}"
        for path in files
        for module, imported in imports(FILES[path])
        if module.split(".")[0] == name and [*module.split("."), imported][1] not in {room, *others}
    ]
    assert len(files) > 1 and not wrong


@pytest.mark.parametrize(("name", "rooms"), [("promptkit", ROOMS), ("reports", ROOMS_OF_REPORTS)])
def test_every_room_has_its_arrows(name, rooms):
    folders = {path.parent.name for path in (PROJECT / name).glob("*/__init__.py")}
    assert folders == set(rooms)


def test_no_modules_import_each_other():
    """Not within a function either; a circle is raised as CycleError, which names it."""
    names = {path: ".".join(path.relative_to(PROJECT).with_suffix("").parts) for path in FILES}
    names = {
        path: name.removeprefix("engine.").removesuffix(".__init__") for path, name in names.items()
    }
    imported = {
        names[path]: {module for pair in imports(tree) for module in (pair[0], ".".join(pair))}
        for path, tree in FILES.items()
        if package(path) != "tests"
    }
    graph = {name: of & set(imported) - {name} for name, of in imported.items()}
    assert sum(map(len, graph.values())) > 200
    TopologicalSorter(graph).prepare()


def test_openais_modules_are_looked_for_in_two_rooms_alone():
    rooms = {("promptkit", "backbones"), ("promptkit", "encoders")}
    outside = [
        str(path.relative_to(PROJECT))
        for path, tree in FILES.items()
        if path.relative_to(PROJECT).parts[:2] not in rooms
        and package(path) in ("promptkit", "trainers", "benchmarks", "train.py")
        and any(module.split(".")[0] in ("clip", "open_clip") for module, _ in imports(tree))
    ]
    assert not outside


def test_no_trainer_imports_a_trainer():
    for path, tree in FILES.items():
        if package(path) == "trainers":
            assert not [m for m, _ in imports(tree) if m.startswith("trainers")], path


def test_only_upstream_names_of_dassl_are_used():
    """So that trainers and data sets also run on upstream Dassl."""
    wrong = [
        f"{path.relative_to(PROJECT)}: from {module} import {name}"
        for path, tree in FILES.items()
        if package(path) in ("trainers", "promptkit", "datasets")
        for module, name in imports(tree)
        if module.split(".")[0] == "dassl" and name not in UPSTREAM_NAMES.get(module, ())
    ]
    assert not wrong


def test_clip_is_taken_from_one_place():
    """So that the trainers run where a repository has a changed `clip` of its own."""
    using = {
        str(path.relative_to(PROJECT))
        for path, tree in FILES.items()
        if package(path) in ("trainers", "promptkit")
        for module, _ in imports(tree)
        if module.split(".")[0] == "clip"
    }
    assert not using, "see promptkit/backbones/installed_clip.py"


def test_lengths():
    long = []
    for path, tree in FILES.items():
        lines = len(path.read_text().splitlines())
        if lines > MAX_FILE_LINES and package(path) != "tests":
            long.append(f"{path.relative_to(PROJECT)}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    long.append(f"{path.relative_to(PROJECT)}: {node.name}: {length} lines")
    assert not long


def test_public_names_have_docstrings():
    bare = [
        f"{path.relative_to(PROJECT)}: {node.name}"
        for path, tree in FILES.items()
        if package(path) != "tests"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not bare


def test_code_is_ascii_and_names_no_machine():
    for path in FILES:
        if package(path) != "tests":
            text = path.read_text()
            assert text.isascii(), path
            assert not re.search(r"(?<![\w.])/(home|root|work|mnt|Users)/", text), path


def test_no_file_has_the_name_of_a_standard_module():
    """A reader of `import statistics` should not have to ask which."""
    names = {path: {path.stem, *path.relative_to(PROJECT).parts[:-1]} for path in FILES}
    own = sys.stdlib_module_names - {"__main__"}
    assert not [path for path, parts in names.items() if parts & own]


def test_readme_is_short_and_its_paths_exist():
    text = (PROJECT / "README.md").read_text()
    assert len(text.splitlines()) <= MAX_README_LINES
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links and not [link for link in links if not (PROJECT / link).exists()]
    scripts = set(re.findall(r"scripts/\w+\.sh", text))
    assert len(scripts) >= 3 and all((PROJECT / script).is_file() for script in scripts)


def test_every_recipe_merges_and_names_its_trainer():
    recipes = tracked("configs/trainers/**/*.yaml") + tracked("configs/trainers/*.yaml")
    recipes = sorted(set(recipes))
    assert len(recipes) >= 8
    for path in recipes:
        assert path.parent.name in TRAINER_REGISTRY.registered_names(), path
        argv = ["--trainer", path.parent.name, "--config-file", str(path)]
        train.setup_cfg(train.parse_args(argv))
        assert path.read_text().startswith("# "), f"{path} does not say what it reproduces"


def test_every_trainer_has_a_recipe_for_what_is_drawn_and_one_default():
    for name in TRAINER_REGISTRY.registered_names():
        if not TRAINER_REGISTRY.get(name).__module__.startswith("trainers."):
            continue  # tests register more
        texts = {p.stem: p.read_text() for p in tracked(f"configs/trainers/{name}/*.yaml")}
        assert {"pocket", "woven"} <= set(texts), name
        defaults = [s for s, t in texts.items() if "\n# Default for: base2new\n" in t]
        is_bound = name in ("LinearProbe", "LPPlusPlus", "TaskRes", "TipAdapter", "TipAdapterF")
        assert len(defaults) == (not is_bound), (name, defaults)


def test_every_data_set_has_its_yaml():
    named = set()
    for path in sorted(tracked("configs/datasets/*.yaml")):
        argv = ["--dataset-config-file", str(path)]
        named.add(train.setup_cfg(train.parse_args(argv)).DATASET.NAME)
    registered = {
        name
        for name in DATASET_REGISTRY.registered_names()  # tests register more
        if DATASET_REGISTRY.get(name).__module__.startswith("datasets.")
    }
    assert named == registered and len(named) >= 8
