"""Intervals over seeds in place of standard deviations: what the mean of more seeds could be."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

from scipy import stats

from reports.layout.grid import Cell, Document, Grid

LEAST_SEEDS = 5  # an interval of three is 2.5 standard deviations wide to either side
LEVEL = 0.95
SPREAD = "population standard deviation over seeds"  # words of the notes below tables
INTERVAL = "95 % interval of the mean over seeds (Student's t)"


def half_width(std: float, count: int) -> float:
    """Half the interval of a mean, from the population standard deviation of `count` values."""
    return float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * std / sqrt(count - 1)


def with_intervals(document: Document) -> Document:
    """The document with intervals behind its numbers; none where there are too few seeds."""
    too_few = 0

    def changed(entry: Cell | str) -> Cell | str:
        nonlocal too_few
        if not isinstance(entry, Cell) or entry.std is None or not entry.seeds:
            return entry
        count = len(entry.seeds)
        if count < LEAST_SEEDS:
            too_few += 1
            return replace(entry, std=None)
        return replace(entry, std=half_width(entry.std, count))

    def of_grid(grid: Grid) -> Grid:
        rows = (replace(row, entries=tuple(map(changed, row.entries))) for row in grid.rows)
        return replace(grid, rows=tuple(rows))

    grids = tuple(map(of_grid, document.grids))
    notes = [note.replace(SPREAD, INTERVAL) for note in document.notes]
    if too_few:
        notes.append(f"{too_few} number(s) of fewer than {LEAST_SEEDS} seeds have no interval.")
    return replace(document, grids=grids, notes=tuple(notes))
