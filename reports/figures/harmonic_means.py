"""Draws the harmonic means of base and new accuracy as lists of dots."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.figures.canvas import (
    MARKER_SIZE,
    MIN_SPAN_PERCENT,
    PANEL_INCH,
    looks,
    name_axes,
    panels,
    spread,
    write_key,
)
from reports.figures.styles import Look
from reports.layout.labels import Label
from reports.runs.run import Method
from reports.tables.base_to_new import harmonic_of, headings_of, report_labels
from reports.tables.base_to_new_numbers import Block, Report

ROW_INCH = 0.2  # of a list of rows
AROUND_INCH = 0.75  # title, ticks and name of the axis
NAMES_INCH = 1.4


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
