"""Tests of base or new classes also tell what the other half's logits are, from the same features.

So that base-to-new needs no third test to be looked at with all class names at once, see
`reports.tables.joint`. Each image is encoded once, the other classes' texts once a test.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptkit.random_state import seeded
from promptkit.trainer import PromptTrainer


class OtherClasses:
    """The logits of the classes that a trainer's data set leaves out, in its last test.

    There are none where nothing is left out, where the trainer is not promptkit's, and where what
    is trained belongs to the classes of its training.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer, self.outputs = trainer, []
        self.names = tuple(getattr(trainer.dm.dataset, "other_classnames", ()))
        if not isinstance(trainer, PromptTrainer) or trainer.is_bound_to_classes():
            self.names = ()
        self._twin: PromptTrainer | None = None

    @contextlib.contextmanager
    def told_apart(self, split: str) -> Iterator[None]:
        """While a split is tested; validation, which may be tested after every epoch, is not."""
        self.outputs = []
        if not self.names or split != "test":
            yield
            return
        trainer, plain = self.trainer, self.trainer.model_inference
        twin = self._of_now()
        encoded = _EncodedOnce(trainer.image_features)

        def both(images: Tensor) -> Tensor:
            output = plain(images)
            self.outputs.append(twin.model_inference(images).float().cpu())
            return output

        trainer.model_inference = both
        trainer.image_features = twin.image_features = encoded
        try:
            yield
        finally:
            del trainer.model_inference, trainer.image_features, twin.image_features

    def found(self) -> tuple[np.ndarray, tuple[str, ...]] | tuple[()]:
        """Logits [N, C'] and the C' names; () where there are none."""
        if not self.outputs:
            return ()
        return np.ascontiguousarray(torch.cat(self.outputs).numpy()), self.names

    def _of_now(self) -> PromptTrainer:
        """The trainer of the other classes, with what is learned by now."""
        with seeded(max(self.trainer.cfg.SEED, 0)), contextlib.redirect_stdout(io.StringIO()):
            self._twin = self._twin or self.trainer.beside(list(self.names))
            self._twin.take_from(self.trainer)
        return self._twin


class _EncodedOnce:
    """Image features of a batch, kept until another one comes."""

    def __init__(self, encode: Any) -> None:
        self.encode = encode
        self.images: Tensor | None = None
        self.features: Tensor | None = None

    def __call__(self, images: Tensor) -> Tensor:
        if images is not self.images:
            self.images, self.features = images, self.encode(images)
        return self.features
