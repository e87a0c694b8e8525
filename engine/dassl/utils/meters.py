"""Running averages of numbers seen during training."""

from collections import defaultdict
from collections.abc import Mapping

import torch

__all__ = ["AverageMeter", "MetricMeter"]


class AverageMeter:
    """Keep the last value (`val`), the `sum`, the `count` and the average (`avg`) of a number.

    Args:
        ema: make `avg` an exponential moving average, 0.9 old + 0.1 new.
    """

    def __init__(self, ema: bool = False) -> None:
        self.ema = ema
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.val = 0.0
        self.avg = 0.0
        self.sum = 0.0
        self.count = 0

    def update(self, val: float | torch.Tensor, n: int = 1) -> None:
        """Add `val`, seen `n` times; a tensor must hold one element."""
        if isinstance(val, torch.Tensor):
            val = val.item()
        self.val = val
        self.sum += val * n
        self.count += n
        self.avg = 0.9 * self.avg + 0.1 * val if self.ema else self.sum / self.count


class MetricMeter:
    """Named average meters that print as one line, `name val (avg)`, in order of appearance.

    Args:
        delimiter: what stands between two meters in the line.
    """

    def __init__(self, delimiter: str = " ") -> None:
        self.meters: defaultdict[str, AverageMeter] = defaultdict(AverageMeter)
        self.delimiter = delimiter

    def update(self, input_dict: Mapping[str, float | torch.Tensor] | None) -> None:
        """Add one value per name; None adds nothing.

        Raises:
            TypeError: the input is neither a mapping nor None.
        """
        if input_dict is None:
            return
        if not isinstance(input_dict, Mapping):
            raise TypeError(
                "MetricMeter.update takes a dictionary {name: value} or None; "
                f"got {type(input_dict).__name__}."
            )
        for name, value in input_dict.items():
            self.meters[name].update(value)

    def __str__(self) -> str:
        return self.delimiter.join(
            f"{name} {meter.val:.4f} ({meter.avg:.4f})" for name, meter in self.meters.items()
        )
