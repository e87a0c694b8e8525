"""Upstream Dassl in place of the engine: what it does otherwise must not lose a run."""

import gc
import os
import sys

import dassl.utils
import train


class ClosingLogger:
    """As upstream's: it closes the console when it is collected, and is no whole stream."""

    def __init__(self, path: str) -> None:
        self.console = sys.stdout
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.file = open(path, "w")  # noqa: SIM115

    def write(self, text: str) -> None:
        self.console.write(text)
        self.file.write(text)

    def flush(self) -> None:
        self.console.flush()
        self.file.flush()

    def close(self) -> None:
        self.console.close()
        self.file.close()

    def __del__(self) -> None:
        self.close()


def set_up_closing_logger(output: str) -> None:
    """Takes the log file or its folder, as upstream's."""
    is_file = output.endswith((".txt", ".log"))
    sys.stdout = ClosingLogger(output if is_file else os.path.join(output, "log.txt"))


def test_all_runs_between_then_print_to_an_open_console(tiny_argv, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(dassl.utils, "setup_logger", set_up_closing_logger)
    console = open(os.dup(1), "w")  # noqa: SIM115  (not pytest's, which cannot be closed)
    monkeypatch.setattr(sys, "stdout", console)
    base = tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "base", output="base")
    flags = ("--eval-only", "--model-dir", str(tmp_path / "base"), "--load-epoch", "final")
    new = tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "new", output="new", flags=flags)
    wrong = tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "old", output="wrong")
    assert train.main([*base, "--then", *new, "--then", *wrong]) == 1
    gc.collect()
    assert sys.stdout is console and not console.closed
    print("still open")
    console.close()
    printed = capfd.readouterr().out
    assert printed.count("Result: CoOp on TinyShapes") == 2 and printed.endswith("still open\n")
    for name, others in (("base", "new classes"), ("new", "base classes")):
        log = (tmp_path / name / "log.txt").read_text()
        assert f"Result: CoOp on TinyShapes, {name} classes" in log and others not in log
