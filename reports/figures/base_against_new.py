"""Draws base against new accuracy over lines of equal harmonic mean."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.figures.canvas import (
    GREY,
    MARKER_SIZE,
    MIN_SPAN_PERCENT,
    legend,
    looks,
    name_axes,
    panels,
    spread,
)
from reports.tables.base_to_new import headings_of, report_labels
from reports.tables.base_to_new_numbers import Block, Report
from reports.tables.estimates import Estimate
from reports.tables.harmonic_mean import harmonic_mean

LINE_STYLE = {"color": GREY, "linewidth": 0.7, "linestyle": (0, (4, 3))}


def base_to_new(report: Report, *, title: str, among: Collection[str] = ()) -> Figure:
    """One panel for each block of the report, with a legend shared by all of them.

    Args:
        report: at least one block.
        title: written above the panels.
        among: all trainers of the results.
    """
    figure, grid = panels(len(report.blocks), title=title)
    names = report_labels(report)
    styles = looks(names.values(), among)
    handles = {}
    for axes, block, heading in zip(grid, report.blocks, headings_of(report.blocks), strict=True):
        handles |= _draw_panel(axes, block, names=names, styles=styles)
        name_axes(axes, heading, "base accuracy (%)", "new accuracy (%)", pad=14)
    entries = {label: handles[label] for label in styles}
    legend(figure, entries, {"equal HM (%)": Line2D([], [], **LINE_STYLE)})
    return figure


def _draw_panel(axes: Axes, block: Block, *, names: dict, styles: dict) -> dict:
    """Draws one block; returns the marker of each label, for the legend."""
    handles = {}
    for row in block.rows:
        label = names[row.method]
        bars = axes.errorbar(
            row.base.value,
            row.new.value,
            xerr=spread(row.base, row.seeds),
            yerr=spread(row.new, row.seeds),
            label=label.text,
            linestyle="none",
            elinewidth=1.0,
            capsize=2.0,
            **styles[label].point(MARKER_SIZE),
        )
        handles[label] = bars.lines[0]
    # The limits are set before the lines are drawn: they fill the panel and must not widen it.
    axes.set_xlim(*_limits([row.base for row in block.rows]))
    axes.set_ylim(*_limits([row.new for row in block.rows]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
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
