"""Timing two ways of computing the same thing: alternately, medians, after a check of equality."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MATRIX_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "mkldnn_convolution")


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


def median_time(way: Callable[[], list[Tensor]], *, repeats: int) -> Ratio:
    """Times one way alone, after a warm-up."""
    way()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        way()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    return Ratio(median, None, (max(times) - min(times)) / median, None, None)


def compare(
    fast: Callable[[], list[Tensor]],
    reference: Callable[[], list[Tensor]],
    *,
    repeats: int,
    tolerance: float = 1e-5,
) -> Ratio:
    """Checks that both give the same tensors, then times them in turn.

    Before each timing the same way runs once untimed, as a step of a training follows a step: the
    other way leaves the allocator and the caches in a state that neither would meet in a run.

    Raises:
        AssertionError: they differ by more than `tolerance`, relative to the largest value.
    """
    pairs = zip(fast(), reference(), strict=True)  # also the warm-up
    difference = max(_relative(ours, theirs) for ours, theirs in pairs)
    assert difference <= tolerance, f"the fast way differs from the reference by {difference:.1e}"
    times: dict[Callable, list[float]] = {fast: [], reference: []}
    for _ in range(repeats):
        for way, seconds in times.items():
            way()
            start = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - start)
    medians = [statistics.median(seconds) for seconds in times.values()]
    spreads = [
        (max(seconds) - min(seconds)) / median
        for seconds, median in zip(times.values(), medians, strict=True)
    ]
    return Ratio(*medians, *spreads, difference)


def _relative(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def shares(way: Callable[[], list[Tensor]]) -> dict[str, float]:
    """Share of a way's CPU time in matrix products, in attention, and in all other operators."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        way()
    return shares_of({event.key: event.self_cpu_time_total for event in profile.key_averages()})


def shares_of(times: dict[str, float]) -> dict[str, float]:
    """As `shares`, of operators' own times by name."""
    found = {"matrix products": 0.0, "attention": 0.0, "other": 0.0}
    for operator, time_spent in times.items():
        name = operator.removeprefix("aten::")
        kind = "attention" if "scaled_dot_product" in name else "other"
        found["matrix products" if name in MATRIX_PRODUCTS else kind] += time_spent
    total = sum(found.values())
    return {kind: time / total for kind, time in found.items()}


def multiply_rate(size: int = 1536, repeats: int = 5) -> float:
    """Floating-point operations a second in a square fp32 matrix product on this machine."""
    x = torch.randn(size, size)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        x @ x
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)
