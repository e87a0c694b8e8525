"""The logits beside a result are those of its test, for trainers of any kind."""

import json
from pathlib import Path

import pytest
import torch

import train
from promptkit.runs import repeat
from run_files.logits import content_hash, from_bytes
from trainers.coop import CoOp


@pytest.mark.parametrize("method", ["CoOp", "CoCoOp", "VPT", "LinearProbe", "ZeroshotCLIP"])
def test_they_give_the_result(tiny_argv, tiny_root, tmp_path, capsys, method):
    flags = ("--eval-only",) if method == "ZeroshotCLIP" else ()
    assert train.main(tiny_argv(method, "TEST.PER_CLASS_RESULT", True, flags=flags)) == 0
    folder = tmp_path / "run"
    logits = from_bytes((folder / "logits.npz").read_bytes())
    result = json.loads((folder / "result.json").read_text())
    assert result["logits_sha256"] == content_hash(logits)
    right = logits.predictions == logits.labels
    assert 100 * right.mean() == pytest.approx(result["metrics"]["accuracy"])
    counts = {row["label"]: (row["total"], row["correct"]) for row in result["per_class"]}
    for label, (total, correct) in counts.items():
        own = logits.labels == label
        assert (own.sum(), right[own].sum()) == (total, correct)
    split = json.loads(Path(tiny_root, "tiny/split.json").read_text())["test"]
    assert logits.images == tuple(f"tiny/images/{name}" for name, _, _ in split)
    assert [logits.classnames[label] for label in logits.labels] == [name for _, _, name in split]
    assert "Logits of 36 images and 6 classes: " in capsys.readouterr().out


def test_they_are_of_the_last_test(tiny_argv, tmp_path):
    """Not of the validation, nor of tests during training."""
    argv = tiny_argv("CoOp", "TEST.FINAL_MODEL", "best_val", flags=("--eval-every", "1"))
    assert train.main(argv) == 0
    logits = from_bytes((tmp_path / "run/logits.npz").read_bytes())
    assert logits.logits.shape == (36, 6)
    result = json.loads((tmp_path / "run/result.json").read_text())
    accuracy = 100 * (logits.predictions == logits.labels).mean()
    assert accuracy == pytest.approx(result["metrics"]["accuracy"])


def test_a_key_turns_them_off_and_makes_no_other_run(tiny_argv, tmp_path, capsys):
    assert train.main(tiny_argv("CoOp", "TEST.KEEP_LOGITS", False)) == 0
    assert not (tmp_path / "run/logits.npz").exists()
    assert json.loads((tmp_path / "run/result.json").read_text())["logits_sha256"] is None
    assert train.main(tiny_argv("CoOp")) == 0
    assert "Finished before" in capsys.readouterr().out


def test_a_repetition_compares_them(tiny_argv, tmp_path):
    for name in ("one", "two"):
        assert train.main(tiny_argv("CoOp", output=name)) == 0
    folders = str(tmp_path / "one"), str(tmp_path / "two")
    assert repeat.differences(*folders)[0] == []
    path = tmp_path / "two/result.json"
    changed = json.loads(path.read_text()) | {"logits_sha256": "0" * 64}
    path.write_text(json.dumps(changed))
    (difference,) = repeat.differences(*folders)[0]
    assert difference.startswith("logits_sha256: ")
    path.write_text(json.dumps(changed | {"logits_sha256": None}))
    assert repeat.differences(*folders)[0] == []


def test_images_in_another_order_have_no_paths(tiny_argv, tmp_path, capsys, monkeypatch):
    from dassl.data import DataManager

    plain = DataManager.__init__

    def turned(self, *args, **kwargs):
        plain(self, *args, **kwargs)
        self.dataset._test = self.dataset.test[::-1]

    monkeypatch.setattr(DataManager, "__init__", turned)
    assert train.main(tiny_argv("CoOp")) == 0
    assert from_bytes((tmp_path / "run/logits.npz").read_bytes()).images == ()
    assert "logits.npz is without paths" in capsys.readouterr().out


def test_outputs_of_other_columns_cost_no_result(tiny_argv, tmp_path, capsys, monkeypatch):
    plain = CoOp.model_inference

    def one_more(self, images):
        logits = plain(self, images)
        return torch.cat([logits, logits[:, :1] - 100], dim=1)

    monkeypatch.setattr(CoOp, "model_inference", one_more)
    assert train.main(tiny_argv("CoOp")) == 0
    assert "logits.npz is not written, the outputs are no logits" in capsys.readouterr().out
    assert not (tmp_path / "run/logits.npz").exists()


def test_those_of_a_result_that_is_gone_do_not_stay(tiny_argv, tmp_path):
    assert train.main(tiny_argv("CoOp")) == 0
    (tmp_path / "run/result.json").unlink()
    assert train.main(tiny_argv("CoOp", "TEST.KEEP_LOGITS", False)) == 0
    assert not (tmp_path / "run/logits.npz").exists()
