"""Accuracy during training: `curve.json` in the run folder, one entry per evaluated epoch.

A run on base classes is tested on base and new ones. Training is not touched by it: a second
trainer takes a copy of what is trained, and the random numbers go on where they were.
"""

import contextlib
import io
import json
import os
import time
from pathlib import Path

import torch

from dassl.engine import TrainerX, build_trainer
from promptkit.random_state import seeded
from promptkit.runs import manifest
from promptkit.runs.observers import observers_of
from promptkit.trainer import PromptTrainer
from run_files import CURVE
from run_files.checks import checked, read
from run_files.curve import Curve


def record_curve(trainer: TrainerX, every: int) -> None:
    """Makes `trainer` test itself after every `every` epochs and after the last.

    Raises:
        ValueError: `every` is below 1, or what is trained fits no other classes than base.
    """
    if every < 1:
        raise ValueError(f"--eval-every must be 1 or more epochs; got {every}.")
    if not isinstance(trainer, PromptTrainer):
        raise ValueError(
            f"--eval-every needs a trainer built on promptkit; {type(trainer).__name__} is not."
        )
    subset, seed = trainer.cfg.DATASET.SUBSAMPLE_CLASSES, max(trainer.cfg.SEED, 0)
    if subset == "base" and trainer.is_bound_to_classes():
        raise ValueError(
            "--eval-every: what is trained belongs to the base classes and cannot be tested on new "
            "ones. Leave it out, or train on DATASET.SUBSAMPLE_CLASSES all."
        )
    twins = {}
    with seeded(seed), contextlib.redirect_stdout(io.StringIO()):
        for name in ("base", "new") if subset == "base" else (subset,):
            cfg = trainer.cfg.clone()
            cfg.defrost()
            cfg.DATASET.SUBSAMPLE_CLASSES = name
            twins[name] = build_trainer(cfg)
    path = os.path.join(trainer.cfg.OUTPUT_DIR, CURVE)
    trainer.curve_sec = 0.0

    def test_at_epoch() -> None:
        epoch, start = trainer.epoch + 1, time.perf_counter()
        if epoch % every and epoch != trainer.max_epoch:
            return
        figures = {"epoch": epoch}
        with seeded(seed), contextlib.redirect_stdout(io.StringIO()):
            for name, twin in twins.items():
                twin.take_from(trainer)
                with torch.no_grad():
                    figures[name] = twin.test("test")
        print(f"epoch [{epoch}/{trainer.max_epoch}] test accuracy {_words(figures)}")
        points = [point for point in _points(path) if point["epoch"] < epoch]
        manifest.save_json(checked({"points": [*points, figures]}, Curve), path)
        trainer.curve_sec += time.perf_counter() - start

    before_train = trainer.before_train

    def catch_up() -> None:
        """A run that was killed between saving an epoch and testing it tests it when it resumes."""
        before_train()
        if trainer.start_epoch > max((point["epoch"] for point in _points(path)), default=0):
            trainer.epoch = trainer.start_epoch - 1
            test_at_epoch()

    trainer.before_train = catch_up
    observers_of(trainer).after_epoch.append(test_at_epoch)


def _points(path: str) -> list[dict[str, float]]:
    """What the run has measured so far; nothing without a file.

    Raises:
        ValueError: the file is damaged.
    """
    if not os.path.exists(path):
        return []
    text = Path(path).read_text(encoding="utf-8")
    try:
        read(text, Curve)
    except ValueError as error:
        raise ValueError(
            f"{path} is no curve of ours: {error}. Delete it to go on without its epochs."
        ) from error
    return json.loads(text)["points"]


def _words(figures: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.2f}" for name, value in figures.items() if name != "epoch")
