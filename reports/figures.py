"""Figures besides base against new: few-shot curves, harmonic means, training, cost."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

from reports.base_to_new import harmonic_of, headings_of, report_labels
from reports.canvas import (
    MARKER_SIZE,
    MIN_SPAN_PERCENT,
    MOST_COLUMNS,
    PANEL_INCH,
    legend,
    looks,
    name_axes,
    panels,
    spread,
    widen,
    write_key,
)
from reports.costs import CostBlock, CostRow
from reports.estimates import Estimate
from reports.grid import Cell, Grid
from reports.labels import Label, trainer_order
from reports.run import Method
from reports.statistics import Block, Report
from reports.styles import Look
from reports.training import History

ROW_INCH = 0.2  # of a list of rows
AROUND_INCH = 0.75  # title, ticks and name of the axis
NAMES_INCH = 1.4
SEED_ALPHA = 0.3
MANY_EPOCHS = 8  # with more, not each has a tick
LOG_FROM = 20.0  # an axis over such a ratio is logarithmic
SHOTS_COLUMN = re.compile(r"\d+ shots?$")


def few_shot(grids: Sequence[Grid], *, title: str, among: Collection[str] = ()) -> Figure:
    """Accuracy over the number of shots, one panel for each data set; published rows are dashed.

    Args:
        grids: the tables.
        among: all trainers of the results.
    """
    figure, grid = panels(len(grids), title=title)
    styles = looks((row.name for table in grids for row in table.rows if row.name), among)
    handles = {}
    for axes, table in zip(grid, grids, strict=True):
        shots = {c: int(c.split()[0]) for c in table.columns if SHOTS_COLUMN.match(c)}
        rows = [row for row in table.rows if row.name]
        for index, row in enumerate(rows):
            # Where there is one number of shots, the rows stand side by side.
            aside = ((index + 0.5) / len(rows) - 0.5) if len(shots) == 1 else 0.0
            points = [
                (shots[column] * 2**aside, entry)
                for column, entry in zip(table.columns, row.entries, strict=True)
                if column in shots and isinstance(entry, Cell)
            ]
            if points:
                curve = _curve(axes, points, styles[row.name], dashed=row.published)
                handles.setdefault(row.name, curve)
        _shots_axis(axes, sorted(shots.values()))
        widen(axes)
        name_axes(axes, table.title, "shots (images a class)", "accuracy (%)")
    legend(figure, {label: handles[label] for label in styles if label in handles}, {})
    return figure


def _curve(
    axes: Axes, points: Sequence[tuple[float, Cell]], style: Look, *, dashed: bool
) -> ErrorbarContainer:
    """A line through the points; bars where there are seeds to differ."""
    shots, cells = zip(*points, strict=True)
    bars = [spread(Estimate(cell.value, cell.std or 0.0), cell.seeds) for cell in cells]
    return axes.errorbar(
        shots, [cell.value for cell in cells],
        yerr=[bar or 0.0 for bar in bars] if any(bars) else None, capsize=2,
        linestyle="--" if dashed else "-", linewidth=1.2, **style.point(MARKER_SIZE),
    )  # fmt: skip


def _shots_axis(axes: Axes, shots: Sequence[int]) -> None:
    """A tick for each number of shots, as far from each other as they are doubled."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(shots))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:.0f}")
    if shots:
        more = 1.3 if len(shots) > 1 else 1.6
        axes.set_xlim(shots[0] / more, shots[-1] * more)


def harmonic_means(
    report: Report, *, title: str, kind: str = "averages", among: Collection[str] = ()
) -> Figure:
    """The harmonic mean of base and new: a list of the rows of each block, as dots on lines."""
    names = report_labels(report)
    styles = looks(names.values(), among)
    most = max(len(block.rows) for block in report.blocks)
    figure, grid = panels(
        len(report.blocks), title=title, height=ROW_INCH * (most + 1) + AROUND_INCH,
        width=PANEL_INCH + NAMES_INCH,
    )  # fmt: skip
    for axes, block, heading in zip(grid, report.blocks, headings_of(report.blocks), strict=True):
        _list_of_dots(axes, block, kind, names, styles)
        name_axes(axes, heading, "harmonic mean (%)", "")
    write_key(figure, styles)
    return figure


def _list_of_dots(
    axes: Axes, block: Block, kind: str, names: Mapping[Method, Label], styles: Mapping[Label, Look]
) -> None:
    """One line a row, the first on top; the number is written at the end of the line."""
    for place, row in enumerate(block.rows):
        estimate = harmonic_of(row, kind)
        axes.errorbar(
            estimate.value, place, xerr=spread(estimate, row.seeds), capsize=2, linestyle="none",
            label=names[row.method].text, **styles[names[row.method]].point(MARKER_SIZE),
        )  # fmt: skip
        axes.annotate(
            f"{estimate.value:.2f}", (1, place), (4, 0), xycoords=axes.get_yaxis_transform(),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(block.rows)), [names[row.method].text for row in block.rows])
    axes.set_ylim(len(block.rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color="0.88", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_box_aspect(ROW_INCH * (len(block.rows) + 0.2) / PANEL_INCH)
    axes.set_anchor("N")
    axes.margins(x=0.1)
    low, high = axes.get_xlim()
    more = max(0.0, MIN_SPAN_PERCENT - (high - low)) / 2
    axes.set_xlim(low - more, high + more)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))


def training(histories: Sequence[History], *, title: str, among: Collection[str] = ()) -> Figure:
    """Every logged figure over the epochs: thick the mean over seeds, thin the single seeds."""
    names = list(dict.fromkeys(name for history in histories for name in history.figures))
    figure, grid = panels(len(names), title=title)
    styles = looks((history.label for history in histories), among)
    handles = {}
    for axes, name in zip(grid, names, strict=True):
        curves = {
            label: [
                dict(history.figures[name])
                for history in histories
                if history.label == label and name in history.figures
            ]
            for label in styles
        }
        handles |= _curves(axes, {label: own for label, own in curves.items() if own}, styles)
        name_axes(axes, name, "epoch", "")
    legend(figure, {label: handles[label] for label in styles if label in handles}, {})
    return figure


def _curves(
    axes: Axes,
    curves: Mapping[Label, Sequence[Mapping[int, float]]],
    styles: Mapping[Label, Look],
) -> dict[Label, Line2D]:
    """The means of all rows and their seeds; a single epoch's stand side by side."""
    epochs = sorted({epoch for own in curves.values() for curve in own for epoch in curve})
    handles = {}
    for index, (label, own) in enumerate(curves.items()):
        aside = (index + 0.5) / len(curves) - 0.5 if len(epochs) == 1 else 0.0
        for curve in own if len(own) > 1 else ():
            axes.plot(
                [epoch + aside for epoch in curve], list(curve.values()), linewidth=0.7,
                color=styles[label].colour, alpha=SEED_ALPHA,
            )  # fmt: skip
        shared = sorted(set.intersection(*map(set, own)))
        means = [float(np.mean([curve[epoch] for curve in own])) for epoch in shared]
        (handles[label],) = axes.plot(
            [epoch + aside for epoch in shared], means, linewidth=1.2,
            markevery=max(1, len(shared) // 10), **styles[label].point(MARKER_SIZE),
        )  # fmt: skip
    if len(epochs) <= MANY_EPOCHS:
        axes.xaxis.set_major_locator(FixedLocator(epochs))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 0.6, epochs[0] + 0.6)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.ticklabel_format(axis="y", useOffset=False)
    return handles


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
