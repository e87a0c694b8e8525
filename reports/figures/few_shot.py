"""Draws accuracy over the number of shots."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from reports.figures.canvas import MARKER_SIZE, legend, looks, name_axes, panels, spread, widen
from reports.figures.styles import Look
from reports.layout.grid import Cell, Grid
from reports.tables.estimates import Estimate

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
