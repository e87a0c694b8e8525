"""What every trainer has: named models, checkpoints, the training loop and its hooks."""

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dassl.data.seeded import begin_epoch
from dassl.engine.not_finite import where_of_step
from dassl.engine.resuming import last_checkpoints
from dassl.utils import load_checkpoint, tolist_if_not
from dassl.utils.checkpoint_writer import BEST_NAME, save_checkpoints
from dassl.utils.plain_state import get_rng_state, scheduler_state, to_plain
from dassl.utils.state_dicts import state_dict_of, strip_module
from dassl.utils.torchtools import fitting, restore_checkpoint

Names = str | Sequence[str] | None


class TrainerBase:
    """Holds models with their optimizers and schedules by name, and runs the training loop."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, nn.Module] = OrderedDict()
        self._optims: OrderedDict[str, Optimizer | None] = OrderedDict()
        self._scheds: OrderedDict[str, LRScheduler | None] = OrderedDict()
        self._writer: Any = None
        self._resumed: dict[str, Any] = {}  # the last checkpoint that training goes on from

    def register_model(
        self,
        name: str = "model",
        model: nn.Module | None = None,
        optim: Optimizer | None = None,
        sched: LRScheduler | None = None,
    ) -> None:
        """Register a model; its checkpoints go to the folder `name`.

        Raises:
            AttributeError: called before `super().__init__()`.
            AssertionError: the name is taken.
        """
        if "_models" not in self.__dict__:
            raise AttributeError("Cannot register a model before super().__init__() is called")
        assert name not in self._models, f'Found duplicate model names: "{name}"'
        self._models[name] = model
        self._optims[name] = optim
        self._scheds[name] = sched

    def get_model_names(self, names: Names = None) -> list[str]:
        """Return all names, or the given ones after checking that they are registered."""
        known = list(self._models)
        if names is None:
            return known
        chosen = tolist_if_not(names if isinstance(names, str) else list(names))
        for name in chosen:
            assert name in known, f'No model named "{name}" is registered; known: {known}'
        return chosen

    def save_model(
        self,
        epoch: int,
        directory: str,
        is_best: bool = False,
        val_result: float | None = None,
        model_name: str = "",
    ) -> None:
        """Save every registered model with what its training needs to go on, all or none.

        Args:
            epoch: index of the epoch just done, from 0.
            directory: run folder.
            is_best: also copy to `model-best.pth.tar`.
            val_result: validation accuracy in percent.
            model_name: file name; by default `model.pth.tar-<epoch + 1>`.

        Raises:
            OSError: the disk is full or the folder cannot be written.
        """
        states = {}
        for name in self.get_model_names():
            optim, sched = self._optims[name], self._scheds[name]
            states[name] = {
                "state_dict": strip_module(self._models[name].state_dict()),
                "epoch": epoch + 1,
                "optimizer": to_plain(optim.state_dict()) if optim is not None else None,
                "scheduler": scheduler_state(sched) if sched is not None else None,
                "val_result": to_plain(val_result),
                "rng_state": get_rng_state(),
                **self.extra_state(),
            }
        save_checkpoints(states, directory, is_best=is_best, model_name=model_name)

    def extra_state(self) -> dict[str, Any]:
        """Return further plain values to store in each checkpoint."""
        return {}

    def check_resumable(self, path: str, checkpoint: Mapping[str, Any]) -> None:
        """Called with each checkpoint before training goes on from it; may raise ValueError."""

    def resume_model_if_exist(self, directory: str) -> int:
        """Load the latest checkpoints of a run folder; return the number of epochs done.

        If the models were saved after different epochs, the last that all have counts; without one
        training starts from the beginning.

        Raises:
            FileNotFoundError: a model's pointer file names a checkpoint that is not there.
            ValueError: a checkpoint is damaged or belongs to another kind of run.
        """
        found = last_checkpoints(directory, self.get_model_names())
        if not found:
            print("No checkpoint found, train from scratch")
            return 0
        print(f"Found checkpoint at {directory} (will resume training)")
        epoch = 0
        for name, (path, checkpoint) in found.items():
            self.check_resumable(path, checkpoint)
            epoch = restore_checkpoint(
                path, checkpoint, self._models[name], self._optims[name], self._scheds[name]
            )
            # Weights and optimizer are copied by now; what is left is small.
            self._resumed = {
                key: value
                for key, value in checkpoint.items()
                if key not in ("state_dict", "optimizer")
            }
        return epoch

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Load weights for evaluation.

        Args:
            directory: run folder; empty: do nothing.
            epoch: number in the file name; None: the best model.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file holds no weights, or the best models are of different epochs.
        """
        if not directory:
            print(
                "Note that load_model() is skipped as no pretrained model is given "
                "(ignore this if it's done on purpose)"
            )
            return
        file_name = BEST_NAME if epoch is None else f"model.pth.tar-{epoch}"
        epochs: dict[str, Any] = {}
        for name in self.get_model_names():
            path = os.path.join(directory, name, file_name)
            if not os.path.exists(path):
                raise FileNotFoundError(f"No model at {path}")
            checkpoint = load_checkpoint(path)
            weights = state_dict_of(checkpoint, path)
            result = checkpoint.get("val_result")
            result = f"{result:.1f}" if isinstance(result, int | float) else "n/a"
            print(f"Load {path} to {name} (epoch={checkpoint.get('epoch')}, val_result={result})")
            with fitting(path, "model weights"):
                self._models[name].load_state_dict(weights)
            epochs[path] = checkpoint.get("epoch")
        if len(set(epochs.values())) > 1:
            listed = ", ".join(f"{path} (epoch {number})" for path, number in epochs.items())
            raise ValueError(
                f"The models of one run must be of one epoch; got {listed}. The run was killed "
                "while it saved them: start it again to finish it, or choose an epoch."
            )

    def set_model_mode(self, mode: str = "train", names: Names = None) -> None:
        """Put registered models in training mode ("train") or evaluation mode ("test", "eval").

        Raises:
            KeyError: another mode.
        """
        if mode not in ("train", "test", "eval"):
            raise KeyError(f'mode must be one of train, test, eval; got "{mode}"')
        for name in self.get_model_names(names):
            self._models[name].train(mode == "train")

    def update_lr(self, names: Names = None) -> None:
        """Step the schedules, where there are any."""
        for name in self.get_model_names(names):
            sched = self._scheds[name]
            if sched is not None:
                sched.step()

    def detect_anomaly(self, loss: torch.Tensor) -> None:
        """Raise FloatingPointError if the loss is not finite; the text says when and what to do."""
        if not torch.isfinite(loss).all():
            raise FloatingPointError(f"Loss is infinite or NaN!{where_of_step(self)}")

    def init_writer(self, log_dir: str) -> None:
        """Open the TensorBoard log once; without tensorboard say that there is none."""
        if self._writer is not None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            print("TensorBoard logs are off (to turn them on: pip install tensorboard)")
            return
        print(f"Initialize tensorboard (log_dir={log_dir})")
        self._writer = SummaryWriter(log_dir=log_dir)

    def close_writer(self) -> None:
        """Close the TensorBoard log."""
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                _say_incomplete(writer, error)

    def write_scalar(self, tag: str, scalar_value: Any, global_step: int | None = None) -> None:
        """Write one number to the TensorBoard log, if it is open; a full disk closes it."""
        if self._writer is not None:
            try:
                self._writer.add_scalar(tag, scalar_value, global_step)
            except OSError as error:
                _say_incomplete(self._writer, error)
                self._writer = None

    def train(self, start_epoch: int, max_epoch: int) -> None:
        """Train from epoch `start_epoch` (from 0) up to, not including, `max_epoch`."""
        self.start_epoch = start_epoch
        self.max_epoch = max_epoch
        self.before_train()
        # before_train may have moved start_epoch: that is how resuming works.
        for epoch in range(self.start_epoch, self.max_epoch):
            self.epoch = epoch
            for loader in self.train_loaders():
                begin_epoch(loader, epoch)
            self.before_epoch()
            self.run_epoch()
            self.after_epoch()
        self.after_train()

    def train_loaders(self) -> list[Any]:
        """The loaders that training goes through."""
        names = "train_loader_x", "train_loader_u"
        return [loader for name in names if (loader := getattr(self, name, None)) is not None]

    def before_train(self) -> None:
        """Hook before the first epoch."""

    def after_train(self) -> None:
        """Hook after the last epoch."""

    def before_epoch(self) -> None:
        """Hook before each epoch."""

    def after_epoch(self) -> None:
        """Hook after each epoch."""

    def run_epoch(self) -> None:
        """Train one epoch."""
        raise NotImplementedError

    def test(self) -> Any:
        """Evaluate."""
        raise NotImplementedError

    def parse_batch_train(self, batch: Any) -> Any:
        """Take what training needs out of a batch."""
        raise NotImplementedError

    def parse_batch_test(self, batch: Any) -> Any:
        """Take what testing needs out of a batch."""
        raise NotImplementedError

    def forward_backward(self, batch: Any) -> Any:
        """Train on one batch; return numbers to log by name, or None."""
        raise NotImplementedError

    def model_inference(self, input: Any) -> Any:
        """Return the model's output for one batch."""
        raise NotImplementedError

    def model_zero_grad(self, names: Names = None) -> None:
        """Clear the gradients of the optimizers."""
        for name in self.get_model_names(names):
            optim = self._optims[name]
            if optim is not None:
                optim.zero_grad()

    def model_backward(self, loss: torch.Tensor) -> None:
        """Check the loss and go backward."""
        self.detect_anomaly(loss)
        loss.backward()

    def model_update(self, names: Names = None) -> None:
        """Step the optimizers."""
        for name in self.get_model_names(names):
            optim = self._optims[name]
            if optim is not None:
                optim.step()

    def model_backward_and_update(self, loss: torch.Tensor, names: Names = None) -> None:
        """Clear the gradients, go backward, step."""
        self.model_zero_grad(names)
        self.model_backward(loss)
        self.model_update(names)


def _say_incomplete(writer: Any, error: OSError) -> None:
    print(f"The TensorBoard log in {writer.log_dir} is not whole: {error.strerror}")
