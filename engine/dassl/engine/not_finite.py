"""NaN and infinity: when they came up in training, and which tensor a test found them in."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


def where_of_step(trainer: Any) -> str:
    """Say at which step a trainer is, and what makes its steps smaller; "" outside of training."""
    if not hasattr(trainer, "batch_idx"):
        return ""
    return (
        f" It is that of epoch {trainer.epoch + 1}, batch {trainer.batch_idx + 1} of "
        f"{trainer.num_batches}. Lower OPTIM.LR (now {trainer.cfg.OPTIM.LR:g})."
    )


def check_output(trainer: Any, output: torch.Tensor) -> None:
    """Raise FloatingPointError unless all of a model's output [B, C] in a test is finite.

    The text names the first tensor of the trainer that is not: weights, else the logits themselves.
    """
    if torch.isfinite(output).all():
        return
    name = next((name for name, tensor in _tensors(trainer) if not _is_finite(tensor)), "")
    if name:
        reason = (
            f"the first tensor that is not is {name}. A step was too large, or the weights that "
            "were loaded are damaged: train again in another folder with a lower OPTIM.LR, or "
            "load other weights"
        )
    else:
        reason = (
            "all weights are, so that the logits went beyond what their precision can hold: take "
            "one of more bits (PREC fp32 or amp), or train with a lower OPTIM.LR"
        )
    raise FloatingPointError(
        f"The logits of the test are not finite, and no result is written; {reason}."
    )


def _tensors(trainer: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and tensor of all that a trainer holds: what is trained first, then what is frozen."""
    models = dict(getattr(trainer, "_models", {}))
    others = {name: value for name, value in vars(trainer).items() if name not in models}
    for owner, value in [*models.items(), *others.items()]:
        if isinstance(value, nn.Module):
            yield from ((f"{owner}.{name}", tensor) for name, tensor in value.state_dict().items())
        elif isinstance(value, torch.Tensor):
            yield owner, value


def _is_finite(tensor: Any) -> bool:
    """Whether it is; also what is no number at all."""
    if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
        return True
    return bool(torch.isfinite(tensor).all())
