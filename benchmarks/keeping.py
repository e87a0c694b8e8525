"""What it costs a test of base classes to keep its logits, and those of the new classes."""

from __future__ import annotations

import os
import tempfile

import torch
from torch import Tensor

from benchmarks.measure import Ratio, compare
from benchmarks.subjects import Subject, make_trainer
from promptkit.runs.kept_logits import KeptLogits, save_logits
from run_files import LOGITS


def keeping(subject: Subject, *, repeats: int) -> tuple[Ratio, int, int]:
    """A test of base classes that writes logits.npz against the same test that does not.

    Returns:
        The comparison, the number of images, and the file's bytes.
    """
    base = "DATASET.SUBSAMPLE_CLASSES", "base"
    ours, plain = (make_trainer("CoOp", subject, batch_size=32, opts=base) for _ in range(2))
    plain.learner.load_state_dict(ours.learner.state_dict())
    kept, sizes = KeptLogits(ours), []

    def test(trainer) -> list[Tensor]:
        trainer.set_model_mode("eval")  # forgets the classes: they are part of a test
        return [torch.tensor(trainer.test())]

    def keeps() -> list[Tensor]:
        accuracy = test(ours)
        with tempfile.TemporaryDirectory() as folder:
            save_logits(kept, folder)
            sizes.append(os.path.getsize(os.path.join(folder, LOGITS)))
        return accuracy

    ratio = compare(keeps, lambda: test(plain), repeats=repeats)
    return ratio, len(ours.dm.dataset.test), sizes[-1]
