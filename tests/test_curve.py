"""Accuracy during training: right, and without a trace in the training itself."""

import json
import time
import types

import pytest
import torch

import train
from promptkit.runs.observers import Stopwatch


def run(tiny_argv, tmp_path, output, *, flags=(), extra=()):
    code = train.main(
        tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "base", *extra, output=output, flags=flags)
    )
    folder = tmp_path / output
    read = lambda name: json.loads((folder / name).read_text())  # noqa: E731
    return code, read


def test_the_curve_ends_at_the_results_and_changes_nothing(tiny_argv, tmp_path):
    code, plain = run(tiny_argv, tmp_path, "plain")
    assert code == 0
    code, read = run(tiny_argv, tmp_path, "curve", flags=("--eval-every", "1"))
    assert code == 0
    points = read("curve.json")["points"]
    assert [point["epoch"] for point in points] == [1, 2]
    final, other = read("result.json"), plain("result.json")
    assert points[-1]["base"] == pytest.approx(final["metrics"]["accuracy"])
    assert final["metrics"] == other["metrics"]
    contexts = [
        torch.load(tmp_path / name / "prompt_learner/model.pth.tar-2")["state_dict"]["ctx"]
        for name in ("plain", "curve")
    ]
    assert torch.equal(*contexts)
    new = train.main(
        tiny_argv(
            "CoOp", "DATASET.SUBSAMPLE_CLASSES", "new", output="new",
            flags=("--eval-only", "--model-dir", str(tmp_path / "curve"), "--load-epoch", "final"),
        )
    )  # fmt: skip
    assert new == 0
    result = json.loads((tmp_path / "new/result.json").read_text())
    assert points[-1]["new"] == pytest.approx(result["metrics"]["accuracy"])


def test_every_second_epoch_and_the_last(tiny_argv, tmp_path):
    extra = ("OPTIM.MAX_EPOCH", "3", "TRAIN.CHECKPOINT_FREQ", "1")
    _, read = run(tiny_argv, tmp_path, "run", flags=("--eval-every", "2"), extra=extra)
    assert [point["epoch"] for point in read("curve.json")["points"]] == [2, 3]


def test_a_damaged_curve_is_named(tiny_argv, tmp_path, capsys):
    path = tmp_path / "run/curve.json"
    path.parent.mkdir()
    path.write_text('{"points": [{"epoch": "one"}]}')
    assert train.main(tiny_argv("CoOp", flags=("--eval-every", "1"))) == 1
    assert f"{path} is no curve of ours: points[0].epoch must be" in capsys.readouterr().err


def test_wrong_requests_are_explained(tiny_argv, tmp_path, capfd):
    argv = tiny_argv("CoOp", output="a", flags=("--eval-every", "-1"))
    assert train.main(argv) == 1 and "must be 1 or more epochs; got -1" in capfd.readouterr().err
    argv = tiny_argv(
        "CoOp", "TRAINER.COOP.CSC", "True", "DATASET.SUBSAMPLE_CLASSES", "base",
        output="b", flags=("--eval-every", "1"),
    )  # fmt: skip
    assert train.main(argv) == 1
    assert "belongs to the base classes" in capfd.readouterr().err


def test_a_context_of_one_class_is_not_loaded_for_another(tiny_argv, tmp_path, capfd):
    """Three base and three new classes: the shapes fit, the classes do not."""
    csc = ("TRAINER.COOP.CSC", "True")
    assert run(tiny_argv, tmp_path, "csc", extra=csc)[0] == 0
    flags = ("--eval-only", "--model-dir", str(tmp_path / "csc"), "--load-epoch", "final")
    new = tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "new", *csc, output="n", flags=flags)
    assert train.main(new) == 1
    error = capfd.readouterr().err
    assert "trained on 3 classes of TinyShapes (base: arrow, ...)" in error
    assert "belongs to its classes; here are 3 others (heart, ...)" in error
    base = tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "base", *csc, output="b", flags=flags)
    assert train.main(base) == 0


def test_a_module_of_ones_own(tiny_argv, tmp_path, monkeypatch, capfd):
    (tmp_path / "my_methods.py").write_text(
        "from dassl.engine import TRAINER_REGISTRY\n"
        "from trainers.zsclip import ZeroshotCLIP\n"
        "@TRAINER_REGISTRY.register()\n"
        "class MyZeroshot(ZeroshotCLIP):\n"
        "    'Mine.'\n"
    )
    monkeypatch.chdir(tmp_path)
    flags = ("--eval-only", "--import", "my_methods")
    assert train.main(tiny_argv("MyZeroshot", output="mine", flags=flags)) == 0
    assert json.loads((tmp_path / "mine/result.json").read_text())["trainer"] == "MyZeroshot"
    assert train.main(tiny_argv("MyZeroshot", output="x", flags=("--import", "my_method"))) == 1
    assert "--import my_method: No module named 'my_method'" in capfd.readouterr().err


def test_tests_during_training_are_no_training_time():
    trainer = types.SimpleNamespace(test=lambda: time.sleep(0.05), after_epoch=lambda: None)
    stopwatch = Stopwatch(trainer)
    trainer.test()
    trainer.curve_sec = 100.0
    seconds = stopwatch.seconds()
    assert 100.05 <= seconds["test"] < 130
    assert seconds["train"] + seconds["test"] == pytest.approx(0.05, abs=30)
