"""The temperature that calibrates a model best on its few-shot validation images.

Nothing is scaled by it: it stands in `result.json`, and `python -m reports calibration` has a row
with it. Guo et al., ICML 2017, section 4.2.
"""

import math
from typing import Any

import torch
from torch import Tensor

from promptkit import ranks

RANGE = 0.01, 100.0  # a model that is always right or wrong has none


def fitted(logits: Tensor, labels: Tensor) -> float:
    """The T of least mean negative log-likelihood of softmax(logits / T), within RANGE.

    Args:
        logits: [N, C].
        labels: [N].
    """
    logits = logits.double()
    right = logits.gather(1, labels[:, None])[:, 0]

    def slope(inverse: float) -> float:
        """Of the likelihood in 1 / T, in which it is convex."""
        means = ((inverse * logits).softmax(dim=1) * logits).sum(dim=1)
        return (means - right).mean().item()

    low, high = (-math.log(end) for end in reversed(RANGE))
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if slope(math.exp(middle)) > 0 else (middle, high)
    return math.exp(-low)


def temperature_of(trainer: Any) -> dict[str, float] | None:
    """{"value": T, "images": N} of what a trainer has just tested; None without validation images.

    Few-shot ones. New classes have none of their own training: theirs is that of the base classes.
    A fault here, which may be an image that nobody has opened before, costs no result; that of one
    process of a shared run is all processes'.
    """
    data = trainer.cfg.DATASET
    if not hasattr(trainer, "has_validation") or data.NUM_SHOTS < 1:
        return None
    if data.SUBSAMPLE_CLASSES == "new" or not trainer.has_validation():
        return None
    value, count, fault = math.nan, 0, None
    try:
        value, count = _of_validation(trainer)
    except (ArithmeticError, OSError, RuntimeError, ValueError) as error:
        fault = str(error) or type(error).__name__
    # Of one process alone, it would leave the others waiting in what comes next.
    faults = [text for text in ranks.of_all(fault) if text is not None]
    if faults:
        print(f"No temperature is fitted: {faults[0]}")
        return None
    print(f"Temperature of least NLL on {count} validation images: {value:.3f}")
    return {"value": value, "images": count}


@torch.no_grad()
def _of_validation(trainer: Any) -> tuple[float, int]:
    trainer.set_model_mode("eval")
    outputs, labels = [], []
    for batch in trainer.val_loader:
        images, targets = trainer.parse_batch_test(batch)
        outputs.append(trainer.model_inference(images).float().cpu())
        labels.append(targets.cpu())
    logits, right = torch.cat(outputs), torch.cat(labels)
    if not logits.isfinite().all():
        raise ValueError("the logits of validation images are not finite")
    return fitted(logits, right), len(right)
