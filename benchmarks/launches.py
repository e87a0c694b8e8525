"""What a GPU would be asked to do in a step: kernels, bytes and operations, counted on the CPU.

Every operator that computes counts as one kernel, views as none. The time is a model, not a
measurement: of each kernel the longest of its launch, its bytes and its operations at the rates of
an A100 (fp32 without TF32), added up; a real GPU has more and other kernels for some operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from benchmarks.cases import HALF_TOLERANCE, batch_of, step_way, twins
from benchmarks.measure import TOLERANCE, Ratio, compare, median_time
from benchmarks.subjects import Subject

LAUNCH_SEC = 5e-6
CARD, FLOPS, BYTES_SEC = "A100", 19.5e12, 1.555e12  # its data sheet: fp32, 40 GB
# They change what a tensor says of its memory, or make one that nobody fills.
FREE = {
    "alias", "as_strided", "detach", "diagonal", "empty", "empty_like", "empty_strided", "expand",
    "lift_fresh", "new_empty", "new_empty_strided", "permute", "select", "slice", "split",
    "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unfold", "unsqueeze", "view",
    "_unsafe_view", "_reshape_alias", "is_same_size", "_local_scalar_dense",
}  # fmt: skip


@dataclass
class Counted:
    """Of one step.

    Attributes:
        kernels: operators that compute.
        bytes: that they read and write.
        operations: of matrix products and attention.
        model_sec: the modelled time.
    """

    kernels: int = 0
    bytes: int = 0
    operations: int = 0
    model_sec: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.kernels:,} kernels, {self.bytes / 1e6:,.0f} MB, {self.operations / 1e9:,.0f} "
            f"GFLOP, {1e3 * self.model_sec:,.1f} ms on an {CARD} (model)"
        )


class Counter(TorchDispatchMode):
    """Counts what is computed while it is active, backward passes too."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Counted()

    def __torch_dispatch__(self, operator, types, arguments=(), options=None):
        options = options or {}
        result = operator(*arguments, **options)
        if operator.overloadpacket.__name__ not in FREE:
            self._count(operator, arguments, options, result)
        return result

    def _count(self, operator, arguments, options, result) -> None:
        tensors = [
            x for x in tree_leaves((arguments, options, result)) if isinstance(x, torch.Tensor)
        ]
        moved = sum(prod(x.shape) * x.element_size() for x in tensors)
        count = flop_registry.get(operator.overloadpacket)
        operations = count(*arguments, **options, out_val=result) if count else 0
        found = self.found
        found.kernels += 1
        found.bytes += moved
        found.operations += operations
        found.model_sec += max(LAUNCH_SEC, moved / BYTES_SEC, operations / FLOPS)


def counted(way) -> Counted:
    """Of one call."""
    with Counter() as counter:
        way()
    return counter.found


def kernels_of_program(way) -> int:
    """How many a compiled program of the CPU runs: those that were built, and operators outside."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        way()
    count = 0
    for event in profile.events():
        name, parent = event.name, event.cpu_parent
        is_operator = name.startswith("aten::") and name.removeprefix("aten::") not in FREE
        inside = parent is not None and parent.name.startswith("aten::")
        count += "cpp_fused" in name or (is_operator and not inside)
    return count


def of_step(
    name: str, batch_size: int, stored: bool, subject: Subject, *, repeats: int, reference: bool
) -> tuple[Ratio, list[Counted]]:
    """A step's times here, and what is counted of the fast path; and of the reference, if asked."""
    fast, slow = twins(name, subject, batch_size)
    images, labels = batch_of(fast, stored)
    way = step_way(fast, fast.loss, images, labels)
    if not reference:
        return median_time(way, repeats=repeats), [counted(way)]
    parts = len(images) if name == "CoCoOp" else 1
    other = step_way(slow, slow.loss, images, labels, parts=parts)
    tolerance = 10 * TOLERANCE if subject.precision == "fp32" else HALF_TOLERANCE
    ratio = compare(way, other, repeats=repeats, tolerance=tolerance)
    return ratio, [counted(way), counted(other)]
