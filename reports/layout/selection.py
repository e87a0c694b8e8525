"""A column that says on which images a row's constants were chosen, as its recipe declares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from reports.layout.grid import Document, Grid, Row
from reports.runs.run import Run

COLUMN = "Chosen on"
BESIDE = "Seeds"  # tables with this column are of results; others compare or derive
UNKNOWN = "unknown"


def with_selection(document: Document, runs: Iterable[Run]) -> Document:
    """The document with the column in its tables of results; as it is where no recipe says it."""
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for run in runs:
        words = run.chosen_on + ", per data set" * run.per_data_set
        for recipe in {run.recipe, ""}:  # "" is of a row of several
            said[run.trainer, recipe].add(words)
    if all(words == {UNKNOWN} for words in said.values()):
        return document

    def of_grid(grid: Grid) -> Grid:
        if BESIDE not in grid.columns:
            return grid
        rows = tuple(replace(row, entries=(*row.entries, words_of(row))) for row in grid.rows)
        return replace(grid, columns=(*grid.columns, COLUMN), rows=rows)

    def words_of(row: Row) -> str:
        key = str(row.facts.get("trainer", "")), str(row.facts.get("recipe", ""))
        return "" if row.published else "; ".join(sorted(said.get(key, ())))

    return replace(document, grids=tuple(map(of_grid, document.grids)))
