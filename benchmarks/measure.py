"""Timing two ways of computing the same thing: alternately, medians, after a check of equality."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MATRIX_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "mkldnn_convolution", "cudnn_convolution")
SQUARE = {"cpu": 1536, "cuda": 8192}  # side of the matrices that `multiply_rate` multiplies
TOLERANCE = 1e-5  # relative to the largest value, in fp32


@dataclass(frozen=True)
class Ratio:
    """Seconds of both ways; of the reference None if it was not run.

    Attributes:
        fast_sec, reference_sec: medians.
        fast_spread, reference_spread: (slowest - fastest) / median.
        difference: largest difference of their results, relative to the largest value.
    """

    fast_sec: float | None
    reference_sec: float | None
    fast_spread: float | None
    reference_spread: float | None
    difference: float | None

    @property
    def speedup(self) -> float | None:
        """How many times the fast way fits into the reference's time."""
        return self.reference_sec / self.fast_sec if self.reference_sec else None


def seconds(way: Callable[[], object]) -> float:
    """How long a way takes, to the end of what it has given a GPU to do."""
    _wait()
    start = time.perf_counter()
    way()
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    if torch.cuda.is_initialized():  # otherwise nothing is at work there
        torch.cuda.synchronize()


def median_time(way: Callable[[], list[Tensor]], *, repeats: int) -> Ratio:
    """Times one way alone, after a warm-up."""
    way()
    times = [seconds(way) for _ in range(repeats)]
    median = statistics.median(times)
    return Ratio(median, None, (max(times) - min(times)) / median, None, None)


def compare(
    fast: Callable[[], list[Tensor]],
    reference: Callable[[], list[Tensor]],
    *,
    repeats: int,
    tolerance: float = TOLERANCE,
) -> Ratio:
    """Checks that both give the same tensors, then times them in turn.

    Before each timing the same way runs once untimed, as a step of a training follows a step: the
    other way leaves the allocator and the caches in a state that neither would meet in a run.

    Raises:
        AssertionError: they differ by more than `tolerance`, relative to the largest value.
    """
    pairs = zip(fast(), reference(), strict=True)  # also the warm-up
    differences = [_relative(ours, theirs) for ours, theirs in pairs]
    for difference in differences:
        text = f"the fast way differs from the reference by {difference:.1e}"
        assert difference <= tolerance, text  # also false for NaN
    times: dict[Callable, list[float]] = {fast: [], reference: []}
    for _ in range(repeats):
        for way, taken in times.items():
            way()
            taken.append(seconds(way))
    medians = [statistics.median(taken) for taken in times.values()]
    spreads = [
        (max(taken) - min(taken)) / median
        for taken, median in zip(times.values(), medians, strict=True)
    ]
    return Ratio(*medians, *spreads, max(differences))


def _relative(ours: Tensor, theirs: Tensor) -> float:
    difference = (ours.float() - theirs.float()).abs().max()
    return 0.0 if difference == 0 else (difference / theirs.float().abs().max()).item()


def shares(way: Callable[[], list[Tensor]], device: str = "cpu") -> dict[str, float]:
    """Share of a way's time in matrix products, in attention, and in all other operators.

    On a GPU it is the time of the kernels that the operators start there.
    """
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        way()
    operators = [event for event in profile.key_averages() if event.device_type.name == "CPU"]
    attribute = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    return shares_of({event.key: getattr(event, attribute) for event in operators})


def shares_of(times: dict[str, float]) -> dict[str, float]:
    """As `shares`, of operators' own times by name."""
    found = {"matrix products": 0.0, "attention": 0.0, "other": 0.0}
    for operator, time_spent in times.items():
        name = operator.removeprefix("aten::")
        kind = "attention" if "attention" in name else "other"
        found["matrix products" if name in MATRIX_PRODUCTS else kind] += time_spent
    total = sum(found.values()) or 1  # some machines do not tell the times of a GPU's kernels
    return {kind: time / total for kind, time in found.items()}


def multiply_rate(device: str, dtype: torch.dtype, *, repeats: int = 5) -> float:
    """Floating-point operations a second in a product of two large square matrices."""
    size = SQUARE[device]
    x = torch.randn(size, size, device=device, dtype=dtype)
    x @ x
    return 2 * size**3 / min(seconds(lambda: x @ x) for _ in range(repeats))
