"""The bash scripts: commands and folders, a whole protocol on pocket images, errors."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import train

PROJECT = Path(train.__file__).parent


def bash(*command: str, **environment: str) -> subprocess.CompletedProcess:
    """Runs a script in the environment of the tests, so that nothing is installed."""
    python = Path(sys.executable).parent
    environment = os.environ | environment
    environment |= {"VIRTUAL_ENV": sys.prefix, "PATH": f"{python}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", *command], cwd=PROJECT, env=environment, capture_output=True, text=True
    )


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
    assert done.returncode == 2 and "<Trainer> <dataset> [recipe]" in done.stderr
    done = bash("scripts/base2new.sh", "Mapel", "dtd", DRY_RUN="1")
    assert done.returncode == 1 and "there are some for: CoCoOp CoOp E2MIM" in done.stderr


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
    assert sorted({trainer for trainer, _ in found}) == [
        "CoCoOp", "CoOp", "E2MIM", "IVLP", "KgCoOp", "MaPLe", "ProGrad", "PromptSRC", "TCP", "VPT",
        "ZeroshotCLIP", "ZeroshotCLIP2",
    ]  # fmt: skip
    assert done.returncode == 0 and done.stdout.count(" --output-dir ") == 24


def test_compare_goes_on_after_a_failure_and_says_so(protocol, tmp_path):
    environment = protocol[1] | {"OUTPUT": str(tmp_path)}
    done = bash("scripts/compare.sh", "pocket_sizes", "Mapel", "ZeroshotCLIP", **environment)
    assert done.returncode == 1
    assert "| ZeroshotCLIP |" in done.stdout and "Peak memory (MB)" in done.stdout
    assert "error: Mapel failed" in done.stderr and "there are some for: CoCoOp" in done.stderr


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
        assert sum(row["total"] for row in result["per_class"]) == 18 * 20
        assert (result["shots"], result["seed"], result["backbone"]) == (1, 2, "Pocket")
        # 18 classes: far above chance, so the weights, images and names belong together.
        assert result["metrics"]["accuracy"] > 20


def test_a_second_call_runs_nothing_and_the_table_has_every_run(protocol):
    folder, environment = protocol
    opts = ["OPTIM.MAX_EPOCH", "1"]
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
    done = bash("scripts/base2new.sh", "CoOp", "pocket_sizes", "pocket", *opts, **environment)
    assert done.stdout.count("Finished before, left as it is.") == 2
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")} == times
    table = bash("-c", f"python -m reports base2new {folder}/out --strict")
    assert table.returncode == 0 and "ZeroshotCLIP" in table.stdout and "CoOp" in table.stdout
    assert (folder / "out/base2new.png").stat().st_size > 10_000


def test_a_failing_run_stops_the_script(protocol):
    _, environment = protocol
    done = bash("scripts/base2new.sh", "CoOp", "pocket_sizes", "pocket", "OPTIM.LR", "x",
                **environment)  # fmt: skip
    assert done.returncode == 1 and "OPTIM.LR must be float" in done.stderr
