"""Figures besides base against new: few-shot curves, harmonic means, training, cost."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from reports.base_to_new import harmonic_of, headings
from reports.costs import CostBlock
from reports.grid import Cell, Grid
from reports.labels import labels
from reports.plots import COLOURS, PANEL_INCH, legend, panels, styles_of, widen
from reports.statistics import Report
from reports.training import History

MARKER = {"markersize": 5.5, "markeredgecolor": "black", "markeredgewidth": 0.5}
BAR_INCH = 0.16
GROUP_WIDTH = 0.8  # of the distance between two groups of bars
SEED_ALPHA = 0.3
TITLE_LETTERS = 38  # of a line above a panel
HATCHES = ("", "////", "....")  # of the first, second, ... time that a colour comes up
SHOTS_COLUMN = re.compile(r"\d+ shots?$")


def few_shot(grids: Sequence[Grid], *, title: str) -> Figure:
    """Accuracy over the number of shots, one panel for each data set; published rows are dashed."""
    figure, grid = panels(len(grids), title=title)
    styles = styles_of(row.label for table in grids for row in table.rows)
    handles = {}
    for axes, table in zip(grid, grids, strict=True):
        shots = {c: int(c.split()[0]) for c in table.columns if SHOTS_COLUMN.match(c)}
        for row in table.rows:
            points = [
                (shots[column], entry.value, entry.std or 0)
                for column, entry in zip(table.columns, row.entries, strict=True)
                if column in shots and isinstance(entry, Cell)
            ]
            if not points:
                continue
            line = "--" if row.published else "-"
            bars = axes.errorbar(
                *np.array(points).T, capsize=2, linestyle=line, **MARKER, **styles[row.label]
            )
            handles.setdefault(row.label, bars)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(sorted(shots.values())))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:.0f}")
        widen(axes)
        _name(axes, table.title, "shots (images a class)", "accuracy (%)")
    legend(figure, {label: handles[label] for label in styles if label in handles})
    return figure


def harmonic_bars(report: Report, *, title: str, kind: str = "averages") -> Figure:
    """The harmonic mean of base and new of every method on every data set, as bars."""
    names = labels(row.method for block in report.blocks for row in block.rows)
    styles = styles_of(names[row.method] for block in report.blocks for row in block.rows)
    width = len(report.blocks) * (len(styles) + 2) * BAR_INCH
    figure = Figure(figsize=(max(width, PANEL_INCH) + 2, PANEL_INCH), layout="compressed")
    axes = figure.subplots()
    step = GROUP_WIDTH / len(styles)
    handles, lowest = {}, 100.0
    for group, block in enumerate(report.blocks):
        for row in block.rows:
            label, estimate = names[row.method], harmonic_of(row, kind)
            index = list(styles).index(label)
            place = group + (index - (len(styles) - 1) / 2) * step
            handles[label] = axes.bar(
                place, estimate.value, step, yerr=estimate.std, capsize=1.5, linewidth=0.4,
                color=styles[label]["color"], edgecolor="black", error_kw={"elinewidth": 0.8},
                hatch=HATCHES[index // len(COLOURS) % len(HATCHES)],
            )  # fmt: skip
            lowest = min(lowest, estimate.value - estimate.std)
    # Differences of points are what is read: the axis starts below the lowest bar and says so.
    axes.set_ylim(bottom=max(0.0, 10 * (math.ceil(lowest / 10) - 1)))
    axes.set_xticks(range(len(report.blocks)), headings(report.blocks), rotation=20, ha="right")
    _name(axes, title, "", "harmonic mean (%)")
    legend(figure, {label: handles[label] for label in styles})
    return figure


def training(histories: Sequence[History], *, title: str) -> Figure:
    """Every logged figure over the epochs: thick the mean over seeds, thin the single seeds."""
    names = list(dict.fromkeys(name for history in histories for name in history.figures))
    figure, grid = panels(len(names), title=title)
    styles = styles_of(history.label for history in histories)
    handles = {}
    for axes, name in zip(grid, names, strict=True):
        for label, style in styles.items():
            curves = [
                dict(history.figures[name])
                for history in histories
                if history.label == label and name in history.figures
            ]
            if not curves:
                continue
            for curve in curves:
                axes.plot(curve.keys(), curve.values(), color=style["color"], linewidth=0.7,
                          alpha=SEED_ALPHA)  # fmt: skip
            epochs = sorted(set.intersection(*map(set, curves)))
            means = [np.mean([curve[epoch] for curve in curves]) for epoch in epochs]
            every = max(1, len(epochs) // 10)
            (handles[label],) = axes.plot(epochs, means, markevery=every, **MARKER, **style)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _name(axes, name, "epoch", "")
    legend(figure, {label: handles[label] for label in styles if label in handles})
    return figure


def cost(blocks: Sequence[CostBlock], *, title: str) -> Figure:
    """Accuracy against the seconds of a training, and against the peak memory."""
    figure, grid = panels(2 * len(blocks), title=title)
    styles = styles_of(row.label for block in blocks for row in block.rows)
    handles = {}
    for block, pair in zip(blocks, zip(grid[::2], grid[1::2], strict=True), strict=True):
        quantities = ("seconds of training", "train_sec", 1.0), ("memory (MB)", "memory_bytes", 1e6)
        for axes, (name, attribute, unit) in zip(pair, quantities, strict=True):
            for row in block.rows:
                value = getattr(row.cost, attribute)
                if value is None:
                    continue
                handles[row.label] = axes.errorbar(
                    value / unit, row.accuracy.value, row.accuracy.std, capsize=2,
                    linestyle="none", **MARKER, **styles[row.label],
                )  # fmt: skip
            widen(axes)
            _name(axes, block.title, name, "accuracy (%)")
    legend(figure, {label: handles[label] for label in styles if label in handles})
    return figure


def _name(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(textwrap.fill(title, TITLE_LETTERS), fontsize=9)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
