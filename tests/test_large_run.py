"""`torchrun train.py`: one run in two processes, its folder against that of one process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import train
from promptkit import ranks
from promptkit.compiling import why_not_compiled
from promptkit.runs import environment, temperature
from promptkit.trainer import PromptTrainer
from run_files.logits import from_bytes
from tests import processes
from tests.kills.traces import INCIDENTAL

PROJECT = Path(train.__file__).parent
EACH_EPOCH = ("OPTIM.LR", "0.01", "TRAIN.CHECKPOINT_FREQ", "1", "DATASET.SUBSAMPLE_CLASSES", "base",
              "DATALOADER.TEST.BATCH_SIZE", "4")  # fmt: skip
CHECKPOINT = "MultiModalPromptLearner/model.pth.tar-{}"


@pytest.fixture(autouse=True)
def _git_is_not_asked(monkeypatch):
    monkeypatch.setattr(environment, "_git", lambda *_: None)  # a third of such a run's time
    monkeypatch.setattr(environment, "_is_changed", lambda *_: None)


@pytest.fixture
def argv(tiny_argv, tmp_path):
    def build(output, *extra, flags=()):
        return tiny_argv("MaPLe", *EACH_EPOCH, *extra, output=output, flags=flags)

    return build


def together(command, folder, count=2):
    return processes.codes(processes.start(lambda _: train.main(command), folder, count), folder)


def result_of(folder):
    content = json.loads((folder / "result.json").read_text())
    content["config"].pop("OUTPUT_DIR")
    left_out = {*INCIDENTAL, "device", "inputs", "logits_sha256", "temperature", "trained_on"}
    return {key: value for key, value in content.items() if key not in left_out}


def weights_of(folder, epoch=2):
    return torch.load(folder / CHECKPOINT.format(epoch), weights_only=True)["state_dict"]


def is_as_one(found, expected):
    assert result_of(found) == result_of(expected)
    scale, other = (json.loads((folder / "result.json").read_text())["temperature"]
                    for folder in (found, expected))  # fmt: skip
    assert scale == pytest.approx(other, rel=1e-3)
    torch.testing.assert_close(weights_of(found), weights_of(expected), rtol=1e-5, atol=1e-5)
    logits, others = (
        from_bytes((folder / "logits.npz").read_bytes()) for folder in (found, expected)
    )
    assert logits.images == others.images and logits.classnames == others.classnames
    for name in ("logits", "others"):  # kept in half precision
        a, b = (torch.from_numpy(getattr(each, name)) for each in (logits, others))
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_it_is_killed_and_goes_on_and_ends_as_one_process_would(argv, tmp_path, monkeypatch):
    assert train.main(argv("one")) == 0
    command, logs = argv("two"), tmp_path / "logs"
    before_epoch = PromptTrainer.before_epoch

    def dies_in_the_second(trainer):
        if trainer.epoch == 1 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        before_epoch(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(PromptTrainer, "before_epoch", dies_in_the_second)
        assert together(command, logs) == [1, -signal.SIGKILL], processes.said(logs)
    assert "another of the 2 processes of this run has ended" in processes.said(logs)
    assert (tmp_path / "two" / CHECKPOINT.format(1)).exists()
    assert not (tmp_path / "two/run.lock").exists()
    assert together(command, logs) == [0, 0], processes.said(logs)
    is_as_one(tmp_path / "two", tmp_path / "one")
    result = json.loads((tmp_path / "two/result.json").read_text())
    assert result["resumed_from_epoch"] == 1 and result["device"] == "2 x CPU, 1 threads"
    log, silent = ((logs / f"{number}.txt").read_text() for number in (0, 1))
    assert "Found checkpoint" in log and "Result: MaPLe" in log
    assert not re.search("[a-z]{3}", silent)  # bars alone: tqdm was imported before the fork


def test_evaluation_is_that_of_one_process_to_the_last_bit(argv, tmp_path):
    assert train.main(argv("trained")) == 0
    load = ("--eval-only", "--model-dir", str(tmp_path / "trained"), "--load-epoch", "2")
    pairs = "DATASET.SUBSAMPLE_CLASSES", "new"
    both = [*argv("new two", *pairs, flags=load), "--then", *argv("two", flags=load)]
    assert together(both, tmp_path / "logs") == [0, 0], processes.said(tmp_path / "logs")
    assert train.main(argv("new one", *pairs, flags=load)) == 0
    for found, expected in (("new two", "new one"), ("two", "trained")):
        a, b = (json.loads((tmp_path / name / "result.json").read_text())
                for name in (found, expected))  # fmt: skip
        assert a["logits_sha256"] == b["logits_sha256"] and a["confused"] == b["confused"]
        assert a["per_class"] == b["per_class"] and a["metrics"] == b["metrics"]
    again = processes.start(lambda _: train.main(both), tmp_path / "logs")
    assert processes.codes(again, tmp_path / "logs") == [0, 0]
    assert (tmp_path / "logs/0.txt").read_text().count("Finished before, left as it is.") == 2


@pytest.mark.parametrize(
    ("trainer", "pairs", "message"),
    [
        ("CLIPLoRA", ("TRAINER.CLIPLORA.DROPOUT", 0.25), "TRAINER.CLIPLORA.DROPOUT is 0.25"),
        ("CoOp", ("SEED", -1), "--seed must be 0 or more with several processes"),
        ("CoOp", ("OPTIM.MAX_EPOCH", 0), "OPTIM.MAX_EPOCH must be 1 or more"),
    ],
)
def test_what_cannot_be_shared_is_refused_and_no_process_is_left(
    tiny_argv, tmp_path, trainer, pairs, message
):
    assert together(tiny_argv(trainer, *pairs), tmp_path / "logs") == [1, 1]
    assert message in (tmp_path / "logs/0.txt").read_text()
    assert not (tmp_path / "run/run.json").exists()


def test_the_end_of_the_first_before_a_run_is_said_by_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "run_or_explain", lambda argv: os.kill(os.getpid(), signal.SIGKILL))
    assert together([], tmp_path) == [-signal.SIGKILL, 1]
    said = (tmp_path / "1.txt").read_text()
    assert said.startswith("error: another of the 2 processes") and "Traceback" not in said


def test_a_fault_of_one_process_leaves_all_without_a_temperature(tmp_path, monkeypatch):
    data = SimpleNamespace(NUM_SHOTS=1, SUBSAMPLE_CLASSES="all")
    trainer = SimpleNamespace(cfg=SimpleNamespace(DATASET=data), has_validation=lambda: True)

    def of_validation(_):
        if ranks.rank() == 1:
            raise OSError("no such image")
        return 1.5, 3

    def work(number):
        with ranks.joined(number, 2):
            print(temperature.temperature_of(trainer))
            return len(ranks.of_all(None)) - 2  # all go on alike

    monkeypatch.setattr(temperature, "_of_validation", of_validation)
    logs = tmp_path / "logs"
    assert processes.codes(processes.start(work, logs), logs) == [0, 0]
    for number in (0, 1):
        log = (logs / f"{number}.txt").read_text()
        assert log == "No temperature is fitted: no such image\nNone\n"


def test_steps_of_several_processes_are_not_compiled(tiny_trainer, monkeypatch):
    trainer = tiny_trainer("CoOp", "TRAINER.COOP.COMPILE", True)
    monkeypatch.setattr(ranks, "_count", 2)
    assert "does not wait for the other processes" in why_not_compiled(trainer)


@pytest.mark.ranks
def test_torchrun_that_is_ended_goes_on(tmp_path):
    """The real one, on the pocket world; its own exit code is 1 whatever the signal."""
    command = [
        "--root", str(tmp_path / "data"), "--eval-every", "1", "--trainer", "MaPLe", "--seed", "1",
        "--dataset-config-file", "configs/datasets/pocket_sizes.yaml",
        "--config-file", "configs/trainers/MaPLe/pocket.yaml",
        "OPTIM.MAX_EPOCH", "6", "DATASET.NUM_SHOTS", "4", "DATASET.SUBSAMPLE_CLASSES", "base",
        "TRAIN.CHECKPOINT_FREQ", "1", "DATALOADER.NUM_WORKERS", "1", "TEST.FINAL_MODEL", "best_val",
    ]  # fmt: skip
    module = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "train.py"]
    environment_ = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    options = {"cwd": PROJECT, "env": environment_, "stdout": subprocess.DEVNULL}
    one, two = tmp_path / "one", tmp_path / "two"
    subprocess.run(
        [sys.executable, "train.py", "--output-dir", one, *command], check=True, **options
    )
    run = [*module, "--output-dir", str(two), *command]
    process = subprocess.Popen(run, stderr=subprocess.PIPE, text=True, **options)
    while not (two / CHECKPOINT.format(2)).exists() and process.poll() is None:
        time.sleep(0.05)
    process.terminate()
    said = process.communicate(timeout=60)[1]
    assert said.count("error: ended by SIGTERM") == 2 and said.count("100%") > 0, said
    assert not (two / "result.json").exists() and not (two / "run.lock").exists()
    subprocess.run(run, check=True, stderr=subprocess.DEVNULL, **options)
    assert json.loads((two / "result.json").read_text())["resumed_from_epoch"] >= 2
    assert result_of(two) == result_of(one)
    assert (two / "curve.json").read_text() == (one / "curve.json").read_text()
    torch.testing.assert_close(weights_of(two, 6), weights_of(one, 6), rtol=1e-5, atol=1e-5)
