"""What a run says when it begins, and while it encodes."""

import subprocess
import sys
from pathlib import Path

import torch

import train
from promptkit.runs.console import KeptOpen
from promptkit.stores.encoding import encode_all

PROJECT = Path(train.__file__).parent


def test_the_first_line_comes_before_anything_slow(tiny_argv):
    code = (
        "import sys, train; train.run = lambda *_: sys.exit(any("
        "name in sys.modules for name in ('torch', 'dassl', 'clip'))); train.main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, *tiny_argv("CoOp")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "CoOp, training on the data set of the settings: starting\n"


def test_the_plan_is_ten_lines_and_the_config_is_in_the_log_alone(
    tiny_argv, tiny_root, tmp_path, capsys
):
    assert train.main(tiny_argv("E2MIM", "DATASET.SUBSAMPLE_CLASSES", "base")) == 0
    printed = capsys.readouterr().out
    plan = printed[: printed.index("Setting fixed seed")].splitlines()
    assert plan[1] == "E2MIM on TinyShapes, base classes, 4 shots, seed 1" and len(plan) <= 12
    text = " ".join(" ".join(plan).split())
    assert "N_CTX 4, CTX_INIT 'a photo of a', ALPHA 1.0, BETA 1.0, MI.BOUND 'infonce'" in text
    assert f" data {tiny_root} backbone " in text
    assert "training 2 epochs, batches of 12, sgd, learning rate 0.05, cosine" in text
    assert "set here DATASET.NAME TinyShapes, DATASET.NUM_SHOTS 4," in text
    log = (tmp_path / "run/log.txt").read_text()
    for line in ("** Arguments **", "** Config **", "  MAX_EPOCH: 2", "** System info **"):
        assert line in log.splitlines() and line not in printed
    assert "Result: E2MIM" in printed and "Loading dataset: TinyShapes" in log


def test_encoding_shows_its_progress_and_its_end(tiny_trainer, capsys):
    trainer = tiny_trainer("CoOp")
    sizes = []

    def encode(images):
        sizes.append(len(images))
        return torch.zeros(len(images), 3)

    encode_all(trainer.test_loader, encode, batch_size=20)
    assert "Encoding: 100%" in capsys.readouterr().err and sizes == [20, 16]
    encode_all(trainer.test_loader, encode, batch_size=36)  # one batch: judged by one image
    assert "about 0 s" in capsys.readouterr().err and sizes[2:] == [1, 36]


def test_closing_the_console_writes_what_is_waiting_and_leaves_it_open(tmp_path):
    with open(tmp_path / "out", "w") as stream:
        kept = KeptOpen(stream)
        kept.write("waiting")
        assert (tmp_path / "out").read_text() == ""
        kept.close()
        assert (tmp_path / "out").read_text() == "waiting" and not stream.closed
