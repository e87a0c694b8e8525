"""What stands beside a table: a baseline's differences, published numbers, paired comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reports.layout.grid import Cell, Grid, Row
from reports.published import papers
from reports.tables import paired_differences
from reports.unknown_names import UnknownNameError, check_name

# Ours and the papers'; our LASP has virtual classes.
PAPERS_NAMES = {
    "ZeroshotCLIP": "CLIP",
    "CoCoOp_ATP": "CoCoOp+ATPrompt",
    "CoOp_ATP": "CoOp+ATPrompt",
    "DeKg_TCP": "DeKgTCP",
    "LASP": "LASP-V",
    "MaPLe_ATP": "MaPLe+ATPrompt",
    "ProText": "ProText (text-only supervision)",
}


def nothing_to_show() -> str:
    """Why --published had no effect."""
    return (
        f"No published number stands beside these: there are some for {papers.BACKBONE} (few-shot "
        "also RN50) on the eleven data sets and ImageNet's variants only."
    )


def delta_notes(baseline: str, grids: Iterable[Grid]) -> list[str]:
    """What the numbers in parentheses are, and which tables have none.

    Raises:
        UnknownNameError: no table has such a row.
    """
    if not baseline:
        return []
    tables = [grid for grid in grids if grid.corner == Grid.corner]
    check_name("--baseline", "row", baseline, labels_in(tables))
    without = [grid.title for grid in tables if baseline not in labels_in([grid])]
    note = f"In parentheses: the difference to {baseline}, in points."
    return [note + (f" There is no such row in: {'; '.join(without)}." if without else "")]


def check_pair(pair: Sequence[str], known: Iterable[str]) -> None:
    """Checks the names of --paired.

    Raises:
        UnknownNameError: one is no row, or both are one.
    """
    rows = list(known)
    if pair and pair[0] == pair[1]:
        raise UnknownNameError(f"--paired needs two rows; got {pair[0]!r} twice.")
    for name in pair:
        check_name("--paired", "row", name, rows)


def pair_notes(pair: Sequence[str], grids: Sequence[Grid]) -> list[str]:
    """What paired differences are, or that there is none."""
    if not pair:
        return []
    if any(grid.corner == paired_differences.CORNER for grid in grids):
        return [paired_differences.NOTE]
    return [
        f"--paired: {' and '.join(pair)} share fewer than two (data set, seed) pairs of one table: "
        "there is nothing to compare."
    ]


def labels_in(grids: Iterable[Grid]) -> list[str]:
    """The labels of all rows."""
    return list(dict.fromkeys(row.label for grid in grids for row in grid.rows))


def against_published(
    grid: Grid, columns: Sequence[str], editions: Mapping[tuple, Sequence[float]] | None = None
) -> Grid | None:
    """Each trainer that has published numbers in the grid beside them; None if there is none.

    Args:
        grid: with rows of both.
        columns: that are compared.
        editions: see `papers.publications`; ours is set against the range of several.
    """
    # A few-shot row has no shots of its own: its columns say them.
    theirs = {(x.facts["trainer"], x.facts.get("shots")): x for x in grid.rows if x.published}
    rows = []
    for row in grid.rows:
        trainer, shots = row.facts.get("trainer"), row.facts.get("shots")
        if shots == 0:  # nothing was tuned
            shots = papers.SHOTS
        other = theirs.get((PAPERS_NAMES.get(trainer, trainer), shots))
        if row.published or other is None:
            continue
        for column in columns:
            index = grid.columns.index(column)
            ours, published_cell = row.entries[index], other.entries[index]
            if isinstance(ours, Cell) and isinstance(published_cell, Cell):
                key = other.facts["trainer"], other.facts.get("shots"), column.lower()
                values = (editions or {}).get(key, ())
                rows.append(_comparison(f"{row.label}, {column}", ours, published_cell, values))
    headers = ("Ours", "Published", "Difference", "By the published spread", "All publications")
    title = f"{grid.title}: ours against published"
    compared = {"corner": "Row and column", "not_ranked": headers[:2]}
    return Grid(title, headers, tuple(rows), **compared) if rows else None


def _comparison(label: str, ours: Cell, theirs: Cell, editions: Sequence[float]) -> Row:
    difference = f"{ours.value - theirs.value:+.2f}"
    cells = replace(ours, delta=None), replace(theirs, delta=None)
    return Row(label, (*cells, difference, papers.verdict(ours, theirs), _place(ours, editions)))


def _place(ours: Cell, editions: Sequence[float]) -> str:
    """Where ours lies by the range of what a method's own paper and others' re-runs print."""
    if not editions:
        return "one"
    low, high = min(editions), max(editions)
    where = "inside" if low <= ours.written <= high else "above" if ours.value > high else "below"
    return f"{low:.2f} to {high:.2f} (n={len(editions)}): {where}"
