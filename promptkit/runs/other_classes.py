"""A test also keeps the logits of other classes, from the same image features.

Of base or new classes those are the other half, so that base-to-new needs no third test to be
looked at with all class names at once (`reports.tables.joint`). Of another data set than that of
the training they are the classes of the training, among which its images are foreign
(`reports.tables.foreign`). Each image is encoded once, the other classes' texts once a test.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptkit import ranks
from promptkit.random_state import seeded


class OtherClasses:
    """The logits of other classes in a trainer's last test.

    There are none where nothing is left out and nothing was trained elsewhere, where the trainer is
    not promptkit's, and where what is trained belongs to the classes of its training.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer, self.outputs, self.own = trainer, [], []
        self.names: tuple[str, ...] = ()
        self._dataset = ""
        self._twin: Any = None

    def _which(self) -> tuple[tuple[str, ...], str]:
        """Names of the other classes, and the data set that they are of."""
        trainer = self.trainer
        if not hasattr(trainer, "beside") or trainer.is_bound_to_classes():
            return (), ""
        dataset, trained = trainer.dm.dataset, trainer.trained_on
        here = set(dataset.classnames)
        left_out = tuple(getattr(dataset, "other_classnames", ()))
        if not trained.classnames or set(trained.classnames) <= here | set(left_out):
            return left_out, ""
        if here <= set(trained.classnames):  # renderings of the training's classes: none is foreign
            return (), ""
        return trained.classnames, trained.dataset

    @contextlib.contextmanager
    def told_apart(self, split: str) -> Iterator[None]:
        """While a split is tested; validation, which may be tested after every epoch, is not."""
        self.outputs, self.own, (self.names, self._dataset) = [], [], self._which()
        trainer, has_oracle = self.trainer, getattr(self.trainer, "uses_task_oracle", False)
        if split != "test" or not (self.names or has_oracle):
            yield
            return
        plain, twin = trainer.model_inference, self._of_now() if self.names else None
        self.names = self.names if twin else ()
        shared = {
            name: _EncodedOnce(getattr(trainer, name))
            for name in ("image_features", "encoded_images")
        }

        def both(images: Tensor) -> Tensor:
            output = plain(images)
            if twin is not None:
                self.outputs.append(twin.joint_inference(images).float().cpu())
            if has_oracle:
                self.own.append(trainer.joint_inference(images).float().cpu())
            return output

        trainer.model_inference = both
        sharing = [trainer] if twin is None else [trainer, twin]
        for each in sharing:
            vars(each).update(shared)
        try:
            yield
        finally:
            del trainer.model_inference
            for each in sharing:
                for name in shared:
                    delattr(each, name)
        self.outputs, self.own = map(ranks.in_order, (self.outputs, self.own))

    def found(self) -> dict[str, Any]:
        """What `run_files.logits.Logits` has of other classes, by name; {} where there are none."""
        kept = {"others": self.outputs, "one_rule": self.own}
        found = {name: _joined(batches) for name, batches in kept.items() if batches}
        if not all(np.isfinite(logits).all() for logits in found.values()):
            print("Logits of the other classes are not kept: they are not finite")
            return {}
        return found | ({"other_classnames": self.names} if self.outputs else {})

    def _of_now(self) -> Any:
        """The trainer of the other classes, with what is learned by now.

        None, and a line, where there can be none: what it needs of them may be missing.
        """
        with seeded(max(self.trainer.cfg.SEED, 0)), contextlib.redirect_stdout(io.StringIO()):
            if self._twin is None or tuple(self._twin.classes_alone) != self.names:
                try:
                    self._twin = self.trainer.beside(list(self.names), self._dataset)
                except (FileNotFoundError, ValueError) as error:
                    reason = str(error)
                    self._twin = None
            if self._twin is not None:
                self._twin.take_from(self.trainer)
        if self._twin is None:
            print(f"Logits of other classes are not kept: {reason}")
        return self._twin


def _joined(batches: list[Tensor]) -> np.ndarray:
    return np.ascontiguousarray(torch.cat(batches).numpy())


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
