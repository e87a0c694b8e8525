"""What is said of several seeds or trainings: means and spreads, and what they took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reports.runs.run import Run


@dataclass(frozen=True)
class Cost:
    """What training took.

    Attributes:
        parameters: (smallest, largest) number of trained parameters; None if not known.
        step_sec: mean seconds of an optimisation step; None where nothing was trained.
        memory_bytes: highest memory use; None if not known.
        train_sec: mean seconds of a training.
        devices: where; seconds and memory of several are not averaged, but None.
    """

    parameters: tuple[int, int] | None
    step_sec: float | None = None
    memory_bytes: int | None = None
    train_sec: float | None = None
    devices: tuple[str, ...] = ()

    @property
    def parameters_text(self) -> str:
        """One number, or from which to which; "" if it is not known."""
        if self.parameters is None:
            return ""
        smallest, largest = self.parameters
        return f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"

    @property
    def memory_text(self) -> str:
        """In MB; "" if it is not known."""
        return "" if self.memory_bytes is None else f"{self.memory_bytes / 1e6:,.0f}"

    @classmethod
    def of(cls, run: Run) -> Cost:
        """Of one training."""
        count = run.trained_parameters
        parameters = None if count is None else (count, count)
        seconds = None if run.is_zero_shot else run.train_sec
        devices = () if run.is_zero_shot else (run.device or "not recorded",)
        return cls(parameters, run.step_sec, run.peak_memory_bytes, seconds, devices)

    @classmethod
    def joint(cls, costs: Iterable[Cost]) -> Cost:
        """Of several trainings: extremes of parameters and memory, means of seconds."""
        costs = list(costs)
        counts = [count for cost in costs for count in cost.parameters or ()]
        devices = tuple(sorted({device for cost in costs for device in cost.devices}))
        parameters = (min(counts), max(counts)) if counts else None
        if len(devices) > 1:
            return cls(parameters, devices=devices)
        memory = [cost.memory_bytes for cost in costs if cost.memory_bytes is not None]
        return cls(
            parameters=parameters,
            step_sec=_mean([cost.step_sec for cost in costs]),
            memory_bytes=max(memory, default=None),
            train_sec=_mean([cost.train_sec for cost in costs]),
            devices=devices,
        )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


@dataclass(frozen=True)
class Estimate:
    """A value over seeds and its population standard deviation, both in percent."""

    value: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Of one or more values."""
        return cls(float(np.mean(values)), float(np.std(values)))
