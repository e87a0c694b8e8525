"""The tables that reports are made of, before they are markdown, LaTeX, CSV or HTML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from reports.layout.labels import Label
from reports.runs.run import LeftOut

DECIMALS = 2
PLUS_MINUS, MINUS, DAGGER, DOUBLE_DAGGER = "\u00b1", "\u2212", "\u2020", "\u2021"
PUBLISHED, NOT_RECOMPUTED = DAGGER, DOUBLE_DAGGER


@dataclass(frozen=True)
class Cell:
    """A number in percent that is compared with its column.

    Attributes:
        std: over seeds; None where it is not known.
        seeds: empty for published numbers.
        mark: sign of a footnote.
        delta: above the baseline's cell.
    """

    value: float
    std: float | None = None
    seeds: tuple[int, ...] = ()
    mark: str = ""
    delta: float | None = None

    @property
    def written(self) -> float:
        """The value as readers see it: equal as written is equal."""
        return round(self.value, DECIMALS)


@dataclass(frozen=True)
class Written:
    """A cell as readers see it.

    Attributes:
        value: the number, rounded.
        rest: its mark, spread, difference and number of seeds.
        rank: 1 for the best value of its column, 2 for the second, else 0.
    """

    value: str
    rest: str = ""
    rank: int = 0


@dataclass(frozen=True)
class Row:
    """A label and one entry a column: a number, or text that is not compared ("" for nothing).

    Attributes:
        facts: what a CSV says of the row, by column.
        name: what it is called where all tables of the report are looked at together.
    """

    label: str
    entries: tuple[Cell | str, ...]
    facts: dict[str, object] = field(default_factory=dict)
    name: Label | None = None

    @property
    def published(self) -> bool:
        """Whether its numbers are a paper's."""
        return "source" in self.facts


@dataclass(frozen=True)
class Grid:
    """Rows by columns, with a title.

    Attributes:
        facts: as a row's, of all rows.
        key: what its rows' names stand for: (name, words).
        least_is_best, not_ranked: columns whose best value is the smallest, or that have none.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    corner: str = "Trainer"
    facts: dict[str, object] = field(default_factory=dict)
    key: tuple[tuple[str, str], ...] = ()
    least_is_best: tuple[str, ...] = ()
    not_ranked: tuple[str, ...] = ()

    def cell(self, label: str, column: str) -> Cell | str:
        """The entry of a row and a column.

        Raises:
            KeyError: there is no such row.
        """
        for row in self.rows:
            if row.label == label:
                return row.entries[self.columns.index(column)]
        raise KeyError(label)

    def ranks(self) -> list[dict[float, int]]:
        """For each column the best and the second of its written values: {value: 1 or 2}."""
        ranks: list[dict[float, int]] = []
        if len(self.rows) == 1:  # nothing to be best of
            return [{} for _ in self.columns]
        columns = zip(*(row.entries for row in self.rows), strict=True)
        for name, entries in zip(self.columns, columns, strict=True):
            values = {entry.written for entry in entries if isinstance(entry, Cell)}
            best = sorted(values, reverse=name not in self.least_is_best)[:2]
            kept = [] if name in self.not_ranked else best
            ranks.append({value: place for place, value in enumerate(kept, 1)})
        return ranks

    def lines(self) -> list[tuple[str, list[Written | str]]]:
        """The label and the entries of each row as readers see them."""
        ranks = self.ranks()
        lines = []
        for row in self.rows:
            counts = {len(entry.seeds) for entry in row.entries if isinstance(entry, Cell)}
            entries = [
                _written(entry, rank, counted=len(counts) > 1) if isinstance(entry, Cell) else entry
                for entry, rank in zip(row.entries, ranks, strict=True)
            ]
            lines.append((row.label, entries))
        return lines

    def with_deltas(self, baseline: str) -> Grid:
        """With each cell's difference to the row `baseline`; unchanged if there is no such row."""
        found = [row for row in self.rows if row.label == baseline]
        if not found:
            return self
        rows = [
            replace(
                row,
                entries=tuple(
                    replace(entry, delta=entry.value - base.value)
                    if isinstance(entry, Cell) and isinstance(base, Cell) and row is not found[0]
                    else entry
                    for entry, base in zip(row.entries, found[0].entries, strict=True)
                ),
            )
            for row in self.rows
        ]
        return replace(self, rows=tuple(rows))


@dataclass(frozen=True)
class Document:
    """A report: tables, what they mean, and the files that are in none of their cells."""

    title: str
    grids: tuple[Grid, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def keys(self) -> tuple[list[list[str]], list[str]]:
        """The lines below each table, and those that say the same of several, below all."""
        words: dict[str, list[str]] = defaultdict(list)
        for name, text in (entry for grid in self.grids for entry in grid.key):
            words[name].append(text)
        shared = {name for name, texts in words.items() if len(texts) > 1 == len(set(texts))}
        own = [[f"{n}: {w}" for n, w in grid.key if n not in shared] for grid in self.grids]
        return own, [f"{name}: {words[name][0]}" for name in words if name in shared]


def _written(cell: Cell, ranks: dict[float, int], *, counted: bool) -> Written:
    rest = cell.mark
    if cell.std is not None and len(cell.seeds) != 1:  # one seed has no spread, not one of zero
        rest += f" {PLUS_MINUS} {cell.std:.{DECIMALS}f}"
    if cell.delta is not None:
        sign = MINUS if round(cell.delta, DECIMALS) < 0 else "+"
        rest += f" ({sign}{abs(cell.delta):.{DECIMALS}f})"
    if counted and cell.seeds:
        rest += f" (n={len(cell.seeds)})"
    return Written(f"{cell.value:.{DECIMALS}f}", rest, ranks.get(cell.written, 0))


def seeds_column(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with a last entry: how many seeds their cells have, if all have as many."""
    return tuple(replace(row, entries=(*row.entries, _seeds(row.entries))) for row in rows)


def _seeds(entries: Iterable[Cell | str]) -> str:
    counts = {len(entry.seeds) for entry in entries if isinstance(entry, Cell)}
    return "" if counts in ({0}, set()) else str(counts.pop()) if len(counts) == 1 else "see cells"
