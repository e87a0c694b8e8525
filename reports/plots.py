"""Draws base against new accuracy over lines of equal harmonic mean; what all figures share."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import BinaryIO

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.base_to_new import headings
from reports.labels import labels
from reports.statistics import Block, Estimate, Report, harmonic_mean

# Okabe and Ito's colours, told apart by colour-blind readers; yellow last, it is faint in print.
COLOURS = (
    "#000000",
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#F0E442",
)
# Nine shapes on eight colours: the pairing repeats only after 72 trainers.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
NUM_COLUMNS = 4
PANEL_INCH = 3.4
LEGEND_INCH = 1.6
LEGEND_LETTERS = 28  # of a line
TITLE_INCH = 0.3
MIN_SPAN_PERCENT = 4.0  # so that a difference of noise does not fill the panel
GREY = "0.5"
# Labels hold what a config says, which is no formula.
matplotlib.rcParams["text.parse_math"] = False
LINE_STYLE = {"color": GREY, "linewidth": 0.7, "linestyle": (0, (4, 3))}


def base_to_new(report: Report, *, title: str) -> Figure:
    """One panel for each block of the report, with a legend shared by all of them.

    Args:
        report: at least one block.
        title: written above the panels.
    """
    figure, grid = panels(len(report.blocks), title=title)
    names = labels(row.method for block in report.blocks for row in block.rows)
    order = [names[row.method] for block in report.blocks for row in block.rows]
    styles = styles_of(order)
    handles = {}
    for axes, block, heading in zip(grid, report.blocks, headings(report.blocks), strict=True):
        handles |= _draw_panel(axes, block, names=names, styles=styles)
        axes.set_title(heading, fontsize=10, pad=14)
    entries = {label: handles[label] for label in styles}
    legend(figure, entries | {"equal HM (%)": Line2D([], [], **LINE_STYLE)})
    return figure


def panels(count: int, *, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, and the panels."""
    columns = min(NUM_COLUMNS, count)
    lines = math.ceil(count / columns)
    size = (PANEL_INCH * columns + LEGEND_INCH, PANEL_INCH * lines + TITLE_INCH)
    figure = Figure(figsize=size, layout="compressed")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[:count]:
        for side in ("top", "right"):
            axes.spines[side].set_color(GREY)
    figure.suptitle(title, fontsize=12)
    return figure, list(grid[:count])


def styles_of(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """A colour and a marker for each name, in the order in which they come first."""
    return {
        name: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        for i, name in enumerate(dict.fromkeys(names))
    }


def widen(axes: Axes) -> None:
    """Makes the accuracies' axis at least MIN_SPAN_PERCENT long."""
    low, high = axes.get_ylim()
    more = max(0.0, MIN_SPAN_PERCENT - (high - low)) / 2
    axes.set_ylim(low - more, high + more)


def legend(figure: Figure, entries: dict) -> None:
    """Outside the panels, where it can hide no point."""
    figure.legend(
        entries.values(), [textwrap.fill(name, LEGEND_LETTERS) for name in entries],
        loc="outside right center", frameon=False, fontsize=9,
    )  # fmt: skip


def save(figure: Figure, file: BinaryIO, *, suffix: str) -> None:
    """Writes the figure as `png` or `svg`; the same figure gives the same bytes."""
    metadata = {"Date": None} if suffix == "svg" else None
    with matplotlib.rc_context({"svg.hashsalt": "reports"}):
        figure.savefig(file, format=suffix, dpi=200, metadata=metadata, bbox_inches="tight")


def _draw_panel(axes: Axes, block: Block, *, names: dict, styles: dict) -> dict:
    """Draws one block; returns the marker of each label, for the legend."""
    handles = {}
    for row in block.rows:
        label = names[row.method]
        bars = axes.errorbar(
            row.base.value,
            row.new.value,
            xerr=row.base.std,
            yerr=row.new.std,
            label=label,
            linestyle="none",
            markersize=6.5,
            markeredgecolor="black",
            markeredgewidth=0.6,
            elinewidth=1.1,
            capsize=2.5,
            **styles[label],
        )
        handles[label] = bars.lines[0]
    # The limits are set before the lines are drawn: they fill the panel and must not widen it.
    axes.set_xlim(*_limits([row.base for row in block.rows]))
    axes.set_ylim(*_limits([row.new for row in block.rows]))
    axes.set_xlabel("base accuracy (%)")
    axes.set_ylabel("new accuracy (%)")
    axes.set_box_aspect(1)
    _draw_harmonic_lines(axes)
    return handles


def _limits(estimates: list[Estimate]) -> tuple[float, float]:
    """The range of the values and their bars, padded and at least MIN_SPAN_PERCENT wide."""
    low = min(estimate.value - estimate.std for estimate in estimates)
    high = max(estimate.value + estimate.std for estimate in estimates)
    half = max((high - low) * 0.6, MIN_SPAN_PERCENT / 2)
    middle = (low + high) / 2
    return middle - half, middle + half


def _draw_harmonic_lines(axes: Axes) -> None:
    """Thin lines of equal harmonic mean, named where they meet the right or the upper edge."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    lowest, highest = harmonic_mean(left, bottom), harmonic_mean(right, top)
    steps = MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(lowest, highest)
    for harmonic in steps[(steps > max(lowest, 0)) & (steps < highest)]:
        # N = HB / (2B - H) has its pole at B = H / 2; above the panel it need not be drawn.
        start = max(left, harmonic * top / (2 * top - harmonic))
        base = np.linspace(start, right, 200)
        new = harmonic * base / (2 * base - harmonic)
        axes.plot(base, new, zorder=0, label=f"_HM {harmonic:g}", **LINE_STYLE)
        if new[-1] >= bottom:
            _write_outside(axes, f"{harmonic:g}", (right, new[-1]), (3, 0), "left", "center")
        elif start > left:
            _write_outside(axes, f"{harmonic:g}", (start, top), (0, 2), "center", "bottom")


def _write_outside(
    axes: Axes, text: str, point: tuple, offset_points: tuple, horizontal: str, vertical: str
) -> None:
    axes.annotate(
        text,
        point,
        offset_points,
        textcoords="offset points",
        horizontalalignment=horizontal,
        verticalalignment=vertical,
        annotation_clip=False,
        color=GREY,
        fontsize=7,
    )
