"""Keeps the logits of a run's last test beside its result: `logits.npz`."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from promptkit.files import replacing
from promptkit.runs.observers import observers_of
from promptkit.runs.other_classes import OtherClasses
from run_files import LOGITS
from run_files.logits import Logits, content_hash, from_bytes, to_bytes


class KeptLogits:
    """Looks on while a trainer tests; holds what the last test gave.

    Works with a trainer of any origin: it takes what the evaluator is given. Of one of promptkit's
    that tests base or new classes it also keeps the logits of the others, see `OtherClasses`.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer, self.others = trainer, OtherClasses(trainer)
        self.outputs: list[torch.Tensor] = []  # of each batch: [B, C]
        self.labels: list[torch.Tensor] = []
        observers_of(trainer).around_test.append(self._test)

    @contextlib.contextmanager
    def _test(self, split: str | None) -> Iterator[None]:
        self.outputs, self.labels = [], []
        evaluator = self.trainer.evaluator
        process = evaluator.process

        def kept(outputs: torch.Tensor, labels: torch.Tensor) -> None:
            self.outputs.append(outputs.detach().float().cpu())
            self.labels.append(labels.detach().cpu())
            process(outputs, labels)

        evaluator.process = kept
        try:
            with self.others.told_apart(split or self.trainer.cfg.TEST.SPLIT):
                yield
        finally:
            evaluator.process = process

    def logits(self) -> Logits | None:
        """Of the last test; None, and why, if the outputs are not finite logits of the classes."""
        try:
            return self._logits()
        except (ValueError, RuntimeError) as error:  # of another trainer's outputs
            print(f"{LOGITS} is not written, the outputs are no logits of the classes: {error}")
            return None

    def _logits(self) -> Logits:
        names = self.trainer.lab2cname
        labels = torch.cat(self.labels).numpy()
        return Logits(
            np.ascontiguousarray(torch.cat(self.outputs).numpy()),
            labels,
            tuple(names[label] for label in sorted(names)),
            self._images(labels),
            **self.others.found(),
        )

    def _images(self, labels: np.ndarray) -> tuple[str, ...]:
        """Paths of the images that were tested; none if the loader had another order than them."""
        cfg, dataset = self.trainer.cfg, self.trainer.dm.dataset
        items = (cfg.TEST.SPLIT == "val" and dataset.val) or dataset.test
        if [item.label for item in items] != labels.tolist():
            print(f"{LOGITS} is without paths: the images were not tested in the data set's order")
            return ()
        root = os.path.abspath(os.path.expanduser(cfg.DATASET.ROOT or "."))
        return tuple(os.path.relpath(item.impath, root) for item in items)


def save_logits(kept: KeptLogits | None, folder: str) -> str | None:
    """Writes the file into a run folder and says its size; returns `content_hash`.

    None where nothing is kept, or the file cannot be written, which is no reason to lose a result:
    one that is there from before is deleted.
    """
    path = Path(folder, LOGITS)
    logits = kept and kept.logits()
    if logits is None:
        path.unlink(missing_ok=True)
        return None
    content, precision = to_bytes(logits)
    try:
        with replacing(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        print(f"{path} is not written: {error.strerror}")
        path.unlink(missing_ok=True)
        return None
    images, classes = logits.logits.shape
    print(
        f"Logits of {images:,} images and {classes:,} classes: {path} ({len(content) / 1e3:,.0f} "
        f"kB, {precision} precision; TEST.KEEP_LOGITS False for none)"
    )
    return content_hash(from_bytes(content))  # rounded, if so
