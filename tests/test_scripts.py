"""The bash scripts: commands and folders, a whole protocol on pocket images, errors."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import train
import trainers  # noqa: F401  (registers them)
from dassl.engine import TRAINER_REGISTRY
from datasets.sources import SOURCES
from pocket.datasets import PocketSet
from tests.warm_python import WarmPython

PROJECT = Path(train.__file__).parent


ELEVEN = ("imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101",
          "fgvc_aircraft", "sun397", "dtd", "eurosat", "ucf101")  # fmt: skip
IMAGES = {"train": 2, "val": 2, "test": 4}  # of a class of the drawn sets


@pytest.fixture(scope="module", autouse=True)
def _python(tmp_path_factory):
    """What scripts run as `python`; it draws few images."""
    bash.python = WarmPython(tmp_path_factory.mktemp("scripts") / "python")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PocketSet, "per_class", IMAGES)
        yield
    bash.python.close()


def bash(*command: str, **environment: str) -> subprocess.CompletedProcess:
    """Runs a script in the environment of the tests, so that nothing is installed."""
    python = Path(sys.executable).parent
    environment = os.environ | environment
    environment |= {"VIRTUAL_ENV": sys.prefix, "PATH": f"{python}:{os.environ['PATH']}"}
    return bash.python.run("bash", *command, cwd=PROJECT, env=environment)


def test_dry_run_prints_upstreams_folders_and_chooses_the_published_recipe():
    done = bash(
        "scripts/base2new.sh", "CoOp", "dtd", DRY_RUN="1", SEEDS="4", DATA="/d", OUTPUT="/o"
    )
    first, second = done.stdout.strip().split(" --then ")
    tail = "dtd/shots_16/CoOp/vit_b16_ctxv1/seed4"
    assert f"--output-dir /o/base2new/train_base/{tail} " in first
    assert "--root /d --seed 4 --trainer CoOp" in first
    assert first.endswith("DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES base")
    assert f"--model-dir /o/base2new/train_base/{tail} --load-epoch final " in second
    assert f"--output-dir /o/base2new/test_new/{tail} " in second
    imagenet = bash("scripts/base2new.sh", "CoOp", "imagenet", DRY_RUN="1")
    assert "CoOp/vit_b16_ep50_ctxv1.yaml" in imagenet.stdout
    for dataset, recipe in (("sun397", "vit_b16_ep25_ctxv1"), ("dtd", "vit_b16_ep50_ctxv1")):
        done = bash("scripts/base2new.sh", "TCP", dataset, DRY_RUN="1")
        assert f"TCP/{recipe}.yaml" in done.stdout


def test_wrong_arguments_are_explained():
    done = bash("scripts/base2new.sh")
    assert done.returncode == 2 and "<Trainer> [data sets] [recipe]" in done.stderr
    done = bash("scripts/base2new.sh", "Mapel", "dtd", DRY_RUN="1")
    assert (
        done.returncode == 1
        and "there are some for: CLAP CLIPAdapter CLIPLoRA CoCoOp" in done.stderr
    )


@pytest.mark.parametrize(
    ("script", "environment"),
    [("base2new", {"SEEDS": " "}), ("few_shot", {"SHOTS": " "}), ("few_shot", {"SHOTS": "1,2"}),
     ("base2new", {"SHOTS": "1 2"}), ("base2new", {"SEEDS": "one"}),
     ("base2new", {"SEEDS": "1 01"}), ("base2new", {"SHOTS": "0"}), ("base2new", {"SHOTS": "08"})],
)  # fmt: skip
def test_seeds_and_shots_are_numbers(script, environment):
    done = bash(f"scripts/{script}.sh", "CoOp", "pocket_sizes", DRY_RUN="1", **environment)
    assert done.returncode == 1 and done.stdout == ""
    (value,) = environment.values()
    assert done.stderr.startswith("error: SEEDS must be numbers") and f"='{value}'" in done.stderr


def test_all_data_sets_are_looked_for_before_anything_is_started(tmp_path):
    (tmp_path / "eurosat/2750").mkdir(parents=True)
    words = ("CoOp", "dtd,eurosat,imagenet,pocket_sizes")
    done = bash("scripts/base2new.sh", *words, DATA=str(tmp_path), OUTPUT=str(tmp_path / "out"))
    assert done.returncode == 1
    assert done.stdout == "" and not (tmp_path / "out").exists()
    assert done.stderr.splitlines() == [
        "error: nothing was started, 2 of 4 data sets are missing:",
        f"  dtd: no folder {tmp_path}/dtd/images",
        f"  imagenet: no folder {tmp_path}/imagenet/images",
        "Set DATA to the folder that holds them, or get them: python -m datasets.fetch imagenet dtd"
        f" --root {tmp_path}",
        "Or name those that are there: eurosat,pocket_sizes",
    ]
    for script, trainer, named in (
        ("cross_dataset", "CoOp", "2 of 2"),
        ("cross_dataset", "ZeroshotCLIP", "1 of 1"),
        ("few_shot", "CoOp", "1 of 1"),
        ("zero_shot", "ZeroshotCLIP", "1 of 1"),
    ):
        done = bash(f"scripts/{script}.sh", trainer, "dtd", DATA=str(tmp_path))
        assert done.returncode == 1 and f"{named} data sets are missing" in done.stderr


def test_a_source_that_was_trained_on_elsewhere_is_not_looked_for(tmp_path):
    run = tmp_path / "out/imagenet/CoOp/vit_b16_ep50_ctxv1_16shots/seed1"
    run.mkdir(parents=True)
    (run / "result.json").write_text("{}")
    environment = {"DATA": str(tmp_path), "OUTPUT": str(tmp_path / "out"), "SEEDS": "1"}
    done = bash("scripts/domain_generalization.sh", "CoOp", "imagenet_a", **environment)
    assert "1 of 1 data sets are missing:\n  imagenet_a" in done.stderr
    done = bash(
        "scripts/domain_generalization.sh", "CoOp", "imagenet_a", **environment | {"SEEDS": "1 2"}
    )
    assert "2 of 2 data sets are missing:\n  imagenet: " in done.stderr


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    """Base-to-new of two trainers on PocketSizes, one shot and one epoch; and its environment."""
    folder = tmp_path_factory.mktemp("protocol")
    environment = {"DATA": str(folder / "data"), "OUTPUT": str(folder / "out"), "SEEDS": "2"}
    environment |= {"SHOTS": "1", "OMP_NUM_THREADS": "1"}
    for trainer, opts in (("ZeroshotCLIP", []), ("CoOp", ["OPTIM.MAX_EPOCH", "1"])):
        done = bash("scripts/base2new.sh", trainer, "pocket_sizes", "pocket", *opts, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder, environment


def test_compare_takes_every_method_with_its_recipe():
    done = bash("scripts/compare.sh", "pocket_sizes", DRY_RUN="1", SEEDS="1", OUTPUT="/o")
    found = re.findall(r"--trainer (\w+) .*?configs/trainers/(\w+)/pocket.yaml", done.stdout)
    assert all(trainer == folder for trainer, folder in found)
    methods = [*PROMPTS, "ZeroshotCLIP", "ZeroshotCLIP2"]
    assert sorted({trainer for trainer, _ in found}) == methods
    assert done.returncode == 0 and done.stdout.count(" --output-dir ") == 2 * len(methods)


ADAPTERS = [
    "CLAP", "CLIPAdapter", "CLIPLoRA", "GDA", "MMA", "ProLIP", "SkipTuning", "TwoSFS", "ZSLP",
]  # fmt: skip
PROMPTS = [
    "CoCoOp",
    "CoCoOp_ATP",
    "CoOp",
    "CoOp_ATP",
    "CoPrompt",
    "DeKg",
    "DeKg_TCP",
    "DePT",
    "E2MIM",
    "IVLP",
    "KgCoOp",
    "LASP",
    "MMRL",
    "MMRLpp",
    "MaPLe",
    "MaPLe_ATP",
    "ProGrad",
    "ProText",
    "PromptSRC",
    "TCP",
    "VPT",
]
BOUND = ["LPPlusPlus", "LinearProbe", "TaskRes", "TipAdapter", "TipAdapterF"]


@pytest.mark.parametrize(
    ("group", "protocol", "expected"),
    [
        ("adapters", "base2new", ["ZeroshotCLIP", *ADAPTERS]),
        ("adapters", "few_shot", [*ADAPTERS, *BOUND]),
        ("all", "base2new", ["ZeroshotCLIP", "ZeroshotCLIP2", *PROMPTS, *ADAPTERS]),
    ],
)
def test_compare_knows_groups(group, protocol, expected):
    environment = {"DRY_RUN": "1", "SEEDS": "1", "OUTPUT": "/o", "PROTOCOL": protocol}
    done = bash("scripts/compare.sh", "pocket_sizes", group, **environment, SHOTS="1")
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"--trainer (\w+) ", done.stdout)) == set(expected)


def test_compare_refuses_other_protocols():
    done = bash("scripts/compare.sh", "pocket_sizes", PROTOCOL="zero_shot")
    assert done.returncode == 1 and "PROTOCOL must be base2new or few_shot" in done.stderr


def test_compare_of_runs_side_by_side_says_that_it_leaves_costs_out(tmp_path):
    done = bash("scripts/compare.sh", "nothing", JOBS="2", OUTPUT=str(tmp_path))
    assert done.returncode == 1 and done.stdout.startswith("Without costs: with JOBS or PER_GPU")


def test_compare_goes_on_after_a_failure_and_says_so(protocol, tmp_path):
    environment = protocol[1] | {"OUTPUT": str(tmp_path)}
    done = bash("scripts/compare.sh", "pocket_sizes", "Mapel", "ZeroshotCLIP", **environment)
    assert done.returncode == 1
    assert "| ZeroshotCLIP |" in done.stdout and "Peak memory (MB)" in done.stdout
    assert "error: Mapel failed" in done.stderr and "there are some for: CLAP" in done.stderr


def test_base_to_new_end_to_end(protocol):
    folder, _ = protocol
    results = [json.loads(path.read_text()) for path in folder.rglob("result.json")]
    found = {(r["trainer"], r["subset"]): r for r in results}
    assert len(results) == 4 and len(found) == 4
    names = {subset: [row["name"] for row in found["CoOp", subset]["per_class"]]
             for subset in ("base", "new")}  # fmt: skip
    assert len(names["base"]) == len(names["new"]) == 18
    assert max(names["base"]) < min(names["new"])
    for result in results:
        assert sum(row["total"] for row in result["per_class"]) == 18 * IMAGES["test"]
        assert (result["shots"], result["seed"], result["backbone"]) == (1, 2, "Pocket")
        # 18 classes: far above chance, so the weights, images and names belong together.
        assert result["metrics"]["accuracy"] > 20


def test_a_second_call_runs_nothing_and_the_table_has_every_run(protocol):
    folder, environment = protocol
    opts = ["OPTIM.MAX_EPOCH", "1"]
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
    done = bash("scripts/base2new.sh", "CoOp", "pocket_sizes", "pocket", *opts, **environment)
    assert done.stdout.count("Finished before, left as it is.") == 2
    assert done.stdout.endswith(f"python -m reports base2new --output {folder}/out\n")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")} == times
    table = bash("-c", f"python -m reports base2new --output {folder}/out --strict")
    assert table.returncode == 0 and "ZeroshotCLIP" in table.stdout and "CoOp" in table.stdout
    assert (folder / "out/base2new.png").stat().st_size > 10_000


def test_a_failing_run_is_listed_and_does_not_stop_the_others(protocol):
    folder, environment = protocol
    (folder / "data/empty").mkdir(exist_ok=True)
    environment = environment | {"SEEDS": "5 6"}
    done = bash("scripts/base2new.sh", "CoOp", "pocket_sizes", "pocket", "OPTIM.LR", "x",
                **environment)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: 2 run(s) failed:")
    for seed in (5, 6):
        assert f"--seed {seed} " in done.stderr
    assert done.stderr.count("error: OPTIM.LR must be float") == 2


# The other protocols ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "arguments", "lines"),
    [
        ("few_shot", ("CoOp", "dtd"), 5),
        ("few_shot", ("PromptSRC", "all"), 55),
        ("cross_dataset", ("MaPLe",), 11),
        ("domain_generalization", ("CoOp",), 5),
        ("zero_shot", ("ZeroshotCLIP",), 15),
        ("base2new", ("E2MIM",), 11),
        ("base2new", ("ZeroshotCLIP", "pocket"), 6),
        ("base2new", ("ZeroshotCLIP", "woven"), 11),
        ("domain_generalization", ("TCP", "woven"), 5),
        ("cross_dataset", ("TCP", "pocket"), 6),
        ("cross_dataset", ("ZeroshotCLIP", "dtd,eurosat"), 2),
    ],
)
def test_runs_of_a_protocol(script, arguments, lines):
    done = bash(f"scripts/{script}.sh", *arguments, DRY_RUN="1", SEEDS="1")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == lines, done.stderr
    folders = re.findall(r"--output-dir (\S+)", done.stdout)
    assert len(folders) == len(set(folders)) == lines + (script == "base2new") * lines


def test_published_recipes_are_chosen_by_protocol_data_set_and_shots():
    def recipes(script: str, *arguments: str) -> list[str]:
        done = bash(f"scripts/{script}.sh", *arguments, DRY_RUN="1", SEEDS="1")
        return re.findall(r"trainers/\w+/(\S+)\.yaml", done.stdout)

    coop = ["rn50_ep50", "rn50_ep100", "rn50_ep100", "rn50", "rn50"]
    assert recipes("few_shot", "CoOp", "dtd") == coop
    assert recipes("few_shot", "CoOp", "imagenet") == ["rn50_ep50"] * 5
    assert recipes("few_shot", "PromptSRC", "dtd")[0].endswith("few_shot_gpa45")
    assert recipes("few_shot", "PromptSRC", "food101")[0].endswith("few_shot")
    assert set(recipes("cross_dataset", "CoOp")) == {"vit_b16_ep50_ctxv1"}
    done = bash("scripts/few_shot.sh", "MaPLe", "dtd", DRY_RUN="1")
    assert done.returncode == 1 and "no published recipe for few_shot, dtd, 1 shots" in done.stderr
    done = bash("scripts/zero_shot.sh", "ZeroshotCLIP", "dtdd", DRY_RUN="1")
    assert done.returncode == 1 and "no configs/datasets/dtdd.yaml" in done.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SEEDS": "1 2 1"}, "SEEDS must name each once; 1 is there more than once"),
        ({"GPU": "-1"}, "GPU must be the number of one GPU, counted from 0; got GPU='-1'"),
        ({"GPU": "0 1"}, "GPU must be the number of one GPU"),
        ({"OUTPUT": "README.md"}, "OUTPUT must be a folder; "),
    ],
)
@pytest.mark.parametrize("script", ["base2new", "compare"])
def test_an_environment_without_a_meaning(script, environment, message):
    words = ("CoOp", "dtd") if script == "base2new" else ("dtd", "CoOp")
    done = bash(f"scripts/{script}.sh", *words, **{"DRY_RUN": "1"} | environment)
    assert done.returncode == 1 and message in done.stderr


def test_upstreams_folders():
    def first(script: str, *arguments: str) -> str:
        done = bash(f"scripts/{script}.sh", *arguments, DRY_RUN="1", SEEDS="3", OUTPUT="/o")
        return done.stdout

    assert "/o/dtd/CoOp/rn50_16shots/nctx16_cscTrue_ctpmiddle/seed3 " in first(
        "few_shot", "CoOp", "dtd", "rn50", "TRAINER.COOP.CSC", "True",
        "TRAINER.COOP.CLASS_TOKEN_POSITION", "middle",
    )  # fmt: skip
    cross = first("cross_dataset", "CoOp", "eurosat")
    trained = "/o/imagenet/CoOp/vit_b16_ep50_ctxv1_16shots/seed3"
    assert f"--output-dir {trained} " in cross and f"--model-dir {trained} " in cross
    assert "/o/evaluation/CoOp/vit_b16_ep50_ctxv1_16shots/eurosat/seed3 " in cross
    assert trained in first("domain_generalization", "CoOp", "imagenet_a")
    assert first("zero_shot", "ZeroshotCLIP", "dtd").endswith("/o/ZeroshotCLIP/vit_b16/dtd\n")


def test_every_protocol_runs_on_pocket(protocol):
    folder, environment = protocol
    environment = environment | {"SOURCE": "pocket_sizes"}  # few classes
    epoch = ("OPTIM.MAX_EPOCH", "1")
    for command in (
        ("scripts/cross_dataset.sh", "CoOp", "pocket_grounds", "default", *epoch),
        ("scripts/domain_generalization.sh", "CoOp", "pocket_sizes", "default", *epoch),
        ("scripts/few_shot.sh", "GDA", "pocket_sizes"),
        ("scripts/zero_shot.sh", "ZeroshotCLIP", "pocket_sizes"),
    ):
        shots = "1 2" if "GDA" in command else "1"
        done = bash(*command, **environment | {"SHOTS": shots})
        assert done.returncode == 0, done.stdout + done.stderr
    results = {
        str(path.parent.relative_to(folder / "out")): json.loads(path.read_text())
        for path in (folder / "out").rglob("result.json")
        if "base2new" not in str(path)
    }
    found = {name: (r["dataset"], r["trained_on"], r["subset"]) for name, r in results.items()}
    sizes = {"dataset": "PocketSizes", "subset": "all", "own_data": None}
    assert found == {
        "pocket_sizes/CoOp/pocket_1shots/seed2": ("PocketSizes", sizes, "all"),
        "evaluation/CoOp/pocket_1shots/pocket_grounds/seed2": ("PocketGrounds", sizes, "all"),
        "evaluation/CoOp/pocket_1shots/pocket_sizes/seed2": ("PocketSizes", sizes, "all"),
        "pocket_sizes/GDA/pocket_1shots/seed2": ("PocketSizes", sizes, "all"),
        "pocket_sizes/GDA/pocket_2shots/seed2": ("PocketSizes", sizes, "all"),
        "ZeroshotCLIP/pocket/pocket_sizes": ("PocketSizes", None, "all"),
    }  # fmt: skip
    assert all(result["metrics"]["accuracy"] > 20 for result in results.values())
    assert all(r["command"] == ["train.py", *r["inputs"]["argv"]] for r in results.values())


def test_strict_takes_one_recipe_for_all():
    def recipes(**environment):
        done = bash(
            "scripts/base2new.sh", "TCP", "imagenet,dtd", DRY_RUN="1", SEEDS="1", **environment
        )
        return re.findall(r"trainers/TCP/(\S+)\.yaml", done.stdout)[::2], done.stdout

    usual, _ = recipes()
    assert usual == ["vit_b16_ep25_ctxv1", "vit_b16_ep50_ctxv1"]
    strict, text = recipes(STRICT="1")
    assert strict == ["vit_b16_ep50_ctxv1"] * 2 and text.count("PROTOCOL.STRICT True") == 4


def test_reproduce_prints_every_command_and_what_it_would_take():
    words = ("scripts/reproduce.sh", "base2new", "--dry-run", "CoOp")
    done = bash(*words, SEEDS="1 2", DATA="/d", OUTPUT="/o", RATE="100")
    assert done.returncode == 0, done.stderr
    *commands, count, hours = done.stdout.splitlines()
    assert len(commands) == 22 and all(" --then " in line for line in commands)
    assert count.startswith("44 runs, 22 of them trainings; passes through the image encoder: ")
    found = re.search(r"([\d,]+) in training, ([\d,]+) in tests", count)
    trained, tested = (int(number.replace(",", "")) for number in found.groups())
    # 16 images of half of the classes, 50 epochs on ImageNet and 200 elsewhere; all test images.
    classes = {name: source.classes for name, source in SOURCES.items() if name in ELEVEN}
    epochs = {name: 50 if name == "imagenet" else 200 for name in classes}
    assert trained == 2 * sum(16 * epochs[name] * count / 2 for name, count in classes.items())
    assert tested == 2 * sum(SOURCES[name].images[2] for name in classes)
    assert hours == (
        f"At 100 images a second that is at most {(trained + tested) / 360_000:,.1f} hours of "
        "encoding"
    )


def test_reproduce_knows_its_tables_and_its_trainers():
    done = bash("scripts/reproduce.sh", "base_to_new")
    assert done.returncode == 1
    assert "base2new cost cross_dataset domain_generalization few_shot; got" in done.stderr
    text = (PROJECT / "scripts/reproduce.sh").read_text()
    documented = (PROJECT / "docs/reproduce.md").read_text()
    for table, names in re.findall(r'\[(\w+)\]="([^"]+)"', text):
        known = set(names.split())
        assert known <= set(TRAINER_REGISTRY.registered_names())
        if table in ("base2new", "cross_dataset", "few_shot", "cost"):
            assert f"| `{table}` | {', '.join(names.split())}" in documented
