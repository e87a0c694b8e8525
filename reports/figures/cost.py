"""Draws accuracy against what trainings took."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from reports.figures.canvas import (
    MARKER_SIZE,
    MOST_COLUMNS,
    legend,
    looks,
    name_axes,
    panels,
    spread,
    widen,
)
from reports.figures.styles import Look
from reports.layout.labels import trainer_order
from reports.tables.costs import CostBlock, CostRow

LOG_FROM = 20.0  # an axis over such a ratio is logarithmic


def cost(blocks: Sequence[CostBlock], *, title: str, among: Collection[str] = ()) -> Figure:
    """Accuracy against the seconds of a training, and against the peak memory.

    The points of a method that was trained with several numbers of shots are joined.
    """
    lines = [row.line for block in blocks for row in block.rows]
    joined = any(len(set(x.line for x in block.rows)) < len(block.rows) for block in blocks)
    figure, grid = panels(
        2 * len(blocks),
        title=f"{title} (lines join numbers of shots)" if joined else title,
        columns=min(MOST_COLUMNS, 2 * len(blocks)),  # the two of a block stand side by side
    )
    styles = looks(sorted(set(lines), key=lambda x: (*trainer_order(x.trainer), x.variant)), among)
    handles = {}
    for block, pair in zip(blocks, zip(grid[::2], grid[1::2], strict=True), strict=True):
        quantities = ("seconds of training", "train_sec", 1.0), ("memory (MB)", "memory_bytes", 1e6)
        for axes, (name, attribute, unit) in zip(pair, quantities, strict=True):
            points = [(row, getattr(row.cost, attribute)) for row in block.rows]
            points = [(row, value / unit) for row, value in points if value is not None]
            for line, style in styles.items():
                own = [(row, value) for row, value in points if row.line == line]
                if own:
                    handles[line] = _cost_line(axes, own, style)
            _cost_axis(axes, [value for _, value in points])
            widen(axes)
            name_axes(axes, block.title, name, "accuracy (%)")
    legend(figure, {label: handles[label] for label in styles if label in handles}, {})
    return figure


def _cost_line(
    axes: Axes, points: Sequence[tuple[CostRow, float]], style: Look
) -> ErrorbarContainer:
    """The points of one method, in the order of the numbers of shots."""
    points = sorted(points, key=lambda point: point[0].method.shots)
    bars = [spread(row.accuracy, row.seeds) or 0.0 for row, _ in points]
    return axes.errorbar(
        [value for _, value in points], [row.accuracy.value for row, _ in points],
        yerr=bars if any(bars) else None, capsize=2, linewidth=0.8, **style.point(MARKER_SIZE),
    )  # fmt: skip


def _cost_axis(axes: Axes, values: Sequence[float]) -> None:
    """Logarithmic over a large range; ticks that have room."""
    if values and min(values) > 0 and max(values) / min(values) > LOG_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
