"""`train.py --repeat`: the same run again, compared to the last bit."""

import json
from importlib import metadata
from pathlib import Path

import pytest
import torch

import train
from promptkit.runs import repeat


@pytest.fixture
def finished(tiny_argv, tmp_path, capsys) -> Path:
    """The folder of a finished run whose config file a test may change."""
    config = tmp_path / "own.yaml"
    config.write_text("OPTIM:\n  LR: 0.04\n")
    flags = ("--config-file", str(config))
    assert train.main(tiny_argv("CoOp", "OPTIM.MAX_EPOCH", 1, flags=flags)) == 0
    capsys.readouterr()
    return tmp_path / "run"


def test_a_run_is_repeated_to_the_last_bit(finished, tmp_path, capsys):
    assert train.main(["--repeat", str(finished / "result.json")]) == 0
    assert "Equal to the last bit: the result, and 1 tensors" in capsys.readouterr().out
    assert (tmp_path / "run-repeat1/result.json").is_file()

    (path,) = finished.glob("*/model.pth.tar-1")
    content = torch.load(path, weights_only=True)
    content["state_dict"]["ctx"][0, 0] += 0.5
    torch.save(content, path)
    result = json.loads((finished / "result.json").read_text())
    result["metrics"]["accuracy"], result["device"] = 1.0, "CPU, 64 threads"
    (finished / "result.json").write_text(json.dumps(result))
    own = ["--output-dir", str(tmp_path / "run-repeat1")]  # is finished: only compared
    assert train.main(["--repeat", str(finished), *own]) == 1
    printed = capsys.readouterr().out
    assert "Note: the device was CPU, 64 threads then and is CPU, 1 threads now" in printed
    assert "Not equal, 2 differences:\n  metrics.accuracy: 1.0 then, " in printed
    assert "model.pth.tar-1: ctx differs in 1 of 1,024 values, by at most 0.5" in printed


def test_changed_inputs_are_named_first(finished, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text("OPTIM:\n  LR: 0.03\n")
    for state in ("changed", "gone"):
        assert train.main(["--repeat", str(finished)]) == 1
        message = capsys.readouterr().err
        assert f"own.yaml ({state})" in message and "Traceback" not in message
        (tmp_path / "own.yaml").unlink(missing_ok=True)
    assert not (tmp_path / "run-repeat1").exists()


def test_other_code_is_said_and_is_no_error(finished):
    result = repeat.recorded(str(finished))
    result["inputs"]["files"]["train.py"] = "other"
    result["versions"]["torch"] = "0.1"
    notes = repeat.check_inputs(result)
    assert "train.py (changed) since the run" in notes
    assert f"versions.torch: 0.1 then, {metadata.version('torch')} now" in notes


def test_what_cannot_be_repeated(finished, tmp_path, capsys):
    (tmp_path / "empty.json").write_text("{}")
    for path, said in (
        (tmp_path / "none.json", "there is no result that can be read"),
        (tmp_path / "empty.json", "does not record its command"),
    ):
        assert train.main(["--repeat", str(path)]) == 1
        assert said in capsys.readouterr().err
    assert train.main(["--repeat", str(finished), "--output-dir", str(finished)]) == 1
    assert "needs another --output-dir" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["--seed", "1", "--output-dir", "a", "--trainer", "CoOp", "SEED", "2"],
        ["--output-dir=a", "--seed", "1", "--trainer", "CoOp", "OUTPUT_DIR", "b", "SEED", "2"],
        ["--seed", "1", "--out", "a", "--trainer", "CoOp", "SEED", "2"],
        ["--seed", "1", "--trainer", "CoOp", "SEED", "2"],
    ],
)
def test_the_folder_of_a_command_is_replaced(argv):
    expected = ["--output-dir", "new", "--seed", "1", "--trainer", "CoOp", "SEED", "2"]
    assert repeat.with_folder(argv, "new") == expected


def test_two_folders_are_compared_in_names_kinds_and_signs(tmp_path):
    one, other = tmp_path / "one/m", tmp_path / "other/m"
    for folder, content in (
        (one, {"same": torch.ones(2), "sign": torch.zeros(2), "shape": torch.ones(2)}),
        (other, {"same": torch.ones(2), "sign": -torch.zeros(2), "shape": torch.ones(3)}),
    ):
        folder.mkdir(parents=True)
        torch.save({"state_dict": content}, folder / "model.pth.tar-1")
    torch.save({"state_dict": {}}, other / "model-best.pth.tar")
    found, compared = repeat.differences(str(one.parent), str(other.parent))
    assert compared == 3 and found == [
        f"m/model-best.pth.tar: is only in {other.parent}",
        "m/model.pth.tar-1: shape is of another kind or not in both",
        "m/model.pth.tar-1: sign differs in 0 of 2 values, by at most 0",
    ]
    many = repeat.report([str(number) for number in range(10)], 0)
    assert many.startswith("Not equal, 10 differences:\n  0\n") and many.endswith("and 2 more")
