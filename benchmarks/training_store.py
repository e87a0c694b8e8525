"""What the store of training views saves: runs that read them against runs that encode them.

Training on images with the papers' augmentation, two epochs of one image a class. A cold run finds
an empty store, a warm one what another method left there. Both learn the same, to the last bit.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from unittest import mock

import torch
from torch import Tensor

from benchmarks.measure import Ratio, seconds
from benchmarks.subjects import Subject, make_trainer
from promptkit.stores.feature_store import ENVIRONMENT, TRAINING

CLASSES, EPOCHS, BATCH = 100, 2, 32
GRID = tuple(itertools.product((0.3, 1.0, 3.0), (0.0, 1.0)))  # ALPHA and BETA of E2MIM
AUGMENTED = ("INPUT.TRANSFORMS", "['random_resized_crop', 'random_flip', 'normalize']",
             "OPTIM.MAX_EPOCH", str(EPOCHS), "FEATURES.TRAIN_STORE", "on")  # fmt: skip


def trained(
    name: str, subject: Subject, store: Path, *, batch: int = BATCH, opts: tuple[str, ...] = ()
) -> tuple[float, list[Tensor]]:
    """Seconds of a training, without building it, and what it learned."""
    with (
        tempfile.TemporaryDirectory() as output,
        mock.patch.dict(os.environ, {ENVIRONMENT: str(store)}),
    ):
        pairs = (*AUGMENTED, "OUTPUT_DIR", output, "TEST.NO_TEST", "True", *opts)
        trainer = make_trainer(name, subject, batch_size=batch, opts=pairs)
        taken = seconds(trainer.train)
        return taken, [p.detach().clone() for p in trainer.learner.parameters()]


def _ratio(warm: list[tuple], cold: list[tuple]) -> Ratio:
    for (_, ours), (_, theirs) in zip(warm, cold, strict=True):
        assert all(map(torch.equal, ours, theirs)), "a warm run learned something else"
    medians, spreads = [], []
    for runs in (warm, cold):
        times = [taken for taken, _ in runs]
        medians.append(median(times))
        spreads.append((max(times) - min(times)) / median(times))
    return Ratio(*medians, *spreads, 0.0)


def second_method(subject: Subject, folder: Path, *, repeats: int) -> tuple[Ratio, float]:
    """KgCoOp after CoOp against KgCoOp alone; and kB in the store for an image and epoch."""
    trained("CoOp", subject, folder / "shared")
    kept = sum(path.stat().st_size for path in (folder / "shared" / TRAINING).glob("*.pt"))
    warm, cold = [], []
    for number in range(repeats):
        warm.append(trained("KgCoOp", subject, folder / "shared"))
        cold.append(trained("KgCoOp", subject, folder / f"cold{number}"))
    return _ratio(warm, cold), kept / 1e3 / (CLASSES * EPOCHS)


def grid(subject: Subject, folder: Path) -> Ratio:
    """E2MIM's six settings in one store against six that begin with an empty one."""
    warm, cold = [], []
    for number, (alpha, beta) in enumerate(GRID):
        opts = ("TRAINER.E2MIM.ALPHA", str(alpha), "TRAINER.E2MIM.BETA", str(beta))
        warm.append(trained("E2MIM", subject, folder / "grid", opts=opts))
        cold.append(trained("E2MIM", subject, folder / f"grid{number}", opts=opts))
    _ratio(warm, cold)  # all have learned the same
    sums = (sum(taken for taken, _ in runs) for runs in (warm, cold))
    return Ratio(*sums, None, None, 0.0)


def teacher(subject: Subject, folder: Path, *, repeats: int) -> Ratio:
    """PromptSRC, whose teacher sees every image too, in a filled store against an empty one."""
    batches = {"batch": 4}
    trained("PromptSRC", subject, folder / "teacher", **batches)
    warm, cold = [], []
    for number in range(repeats):
        warm.append(trained("PromptSRC", subject, folder / "teacher", **batches))
        cold.append(trained("PromptSRC", subject, folder / f"teacher{number}", **batches))
    return _ratio(warm, cold)


def measured(subject: Subject, repeats: int) -> Iterator[tuple[str, Ratio, str]]:
    """Name, ratio and note of each row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ratio, kilobytes = second_method(subject, folder, repeats=repeats)
        what = f"KgCoOp, {EPOCHS} epochs on images, after CoOp"
        yield what, ratio, f"{kilobytes:.1f} kB an image and epoch in the store"
        note = f"{len(GRID)} settings; the first one fills the store"
        yield f"E2MIM, grid of ALPHA and BETA, {EPOCHS} epochs each", grid(subject, folder), note
        note = "the student's passes, forward and back, stay"
        yield f"PromptSRC, {EPOCHS} epochs", teacher(subject, folder, repeats=repeats), note
