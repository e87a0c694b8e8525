"""What a trainer does together with the other processes of a run, see `promptkit.ranks`."""

import contextlib
from collections.abc import Iterator

from torch import Tensor

from promptkit import ranks


class SharedSteps:
    """The part of a trainer that shares its gradients, its tests and its checkpoints."""

    @classmethod
    def why_not_shared(cls, cfg) -> str:
        """What keeps training from being shared by processes, in words; "" if nothing does."""
        return ""

    def run_epoch(self) -> None:
        """As Dassl's; of images in the training loader each process reads its share."""
        if self.train_loader_x is self.images_loader:
            self.train_loader_x = ranks.shared_loader(self.images_loader, self.device)
        super().run_epoch()

    def model_backward(self, loss: Tensor) -> None:
        """As Dassl's; gradients of what is registered are then those of the global batch."""
        super().model_backward(loss)
        trained = [p for model in self._models.values() for p in model.parameters()]
        trained = [parameter for parameter in trained if parameter.grad is not None]
        means = ranks.means([parameter.grad for parameter in trained])
        for parameter, mean in zip(trained, means, strict=True):
            parameter.grad = mean

    def resume_model_if_exist(self, directory: str) -> int:
        """As Dassl's, which also clears up: the first process alone, before the others.

        Raises:
            ValueError: the processes found different checkpoints.
        """
        with ranks.first_alone():
            epoch = super().resume_model_if_exist(directory)
        if len(set(found := ranks.of_all(epoch))) > 1:
            raise ValueError(
                f"The processes of this run would go on from different epochs, {found}: the folder "
                "of the run (--output-dir, --resume) must be on a drive that all of them see."
            )
        return epoch

    def test(self, split: str | None = None) -> float:
        """As Dassl's: each process tests every N-th batch, and all have the results of all."""
        if ranks.count() == 1:
            return super().test(split)
        with self._shared_test():
            return super().test(split)

    @contextlib.contextmanager
    def _shared_test(self) -> Iterator[None]:
        evaluator, loaders = self.evaluator, (self.val_loader, self.test_loader)
        process, evaluate = evaluator.process, evaluator.evaluate
        own: list[tuple[Tensor, Tensor]] = []

        def evaluate_all():
            for outputs, labels in ranks.in_order(own):
                process(outputs, labels)
            return evaluate()

        evaluator.process = lambda outputs, labels: own.append((outputs.cpu(), labels.cpu()))
        evaluator.evaluate = evaluate_all
        self.val_loader, self.test_loader = (
            loader and ranks.own_batches(loader) for loader in loaders
        )
        try:
            yield
        finally:
            evaluator.process, evaluator.evaluate = process, evaluate
            self.val_loader, self.test_loader = loaders
