"""Tables of what is computed from kept logits: one for each place, and averages over data sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from reports.layout.grid import Cell, Grid, Row
from reports.layout.headings import headings
from reports.layout.labels import Label, keys, method_facts, within
from reports.runs.run import Method
from reports.tables.averages import AVERAGE
from reports.tables.estimates import Estimate

OWN = ""  # the source of what was trained on its own data set, and of zero-shot


@dataclass(frozen=True, order=True)
class Place:
    """What results have in common that may be compared.

    Attributes:
        subset: the classes that were told apart.
        source: what was trained on, where that is another data set or other classes.
    """

    dataset: str
    subset: str
    backbone: str
    weights: str
    source: str = OWN

    @property
    def words(self) -> str:
        """Data set, classes and source."""
        classes = "base and new" if self.subset == "both" else self.subset
        return ", ".join(filter(None, (self.dataset, f"{classes} classes", self.source)))


@dataclass(frozen=True)
class Entry:
    """One method in one place: a dataclass of numbers for each seed."""

    place: Place
    row: Method
    numbers: Mapping[int, Any]


@dataclass(frozen=True)
class Columns:
    """How the numbers are shown.

    Attributes:
        fields: by column the name of a field, and what it is multiplied by.
        least_is_best, not_ranked: see `Grid`.
    """

    fields: Mapping[str, tuple[str, float]]
    least_is_best: tuple[str, ...] = ()
    not_ranked: tuple[str, ...] = ()


def titles_of(places: Sequence[Place]) -> dict[Place, str]:
    """What the table of each place is called."""
    parts = [(place.words, place.backbone, place.weights) for place in places]
    return dict(zip(places, headings(parts), strict=True))


def grids_of(
    entries: Sequence[Entry],
    names: Mapping[Method, Label],
    columns: Columns,
    *,
    apart: Collection[str] = (),
) -> list[Grid]:
    """A table for each place, then the averages over data sets.

    Args:
        entries: one for each place and row.
        names: of the rows.
        columns: what is shown.
        apart: data sets that are in no average, since others have their name.
    """
    titles = titles_of(sorted({entry.place for entry in entries}))
    grids = []
    for place, title in titles.items():
        values = {entry.row: entry.numbers for entry in entries if entry.place == place}
        grids.append(_grid(title, place, names, values, columns))
    return grids + list(_averages(entries, names, columns, apart))


def _averages(
    entries: Sequence[Entry],
    names: Mapping[Method, Label],
    columns: Columns,
    apart: Collection[str],
) -> Iterable[Grid]:
    """Of the rows that have all data sets: means over them of each seed that all have."""
    groups: dict[Place, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.place.dataset not in apart:
            groups[replace(entry.place, dataset="")].append(entry)
    for key, group in sorted(groups.items(), key=lambda item: item[0]):
        datasets = {entry.place.dataset for entry in group}
        if len(datasets) < 2:
            continue
        values: dict[Method, dict[int, Any]] = {}
        for row in {entry.row for entry in group}:
            own = [entry.numbers for entry in group if entry.row == row]
            seeds = sorted(set.intersection(*map(set, own)))
            if len(own) == len(datasets) and seeds:
                values[row] = {seed: _mean([x[seed] for x in own]) for seed in seeds}
        if values:
            place = replace(key, dataset=f"{AVERAGE} of {len(datasets)}")
            yield _grid(titles_of([place])[place], place, names, values, columns)


def _mean(numbers: Sequence[Any]) -> Any:
    kind = type(numbers[0])
    names = [item.name for item in fields(kind)]
    return kind(*(float(np.mean([getattr(x, name) for x in numbers])) for name in names))


def _grid(
    title: str,
    place: Place,
    names: Mapping[Method, Label],
    values: Mapping[Method, Mapping[int, Any]],
    columns: Columns,
) -> Grid:
    called, rows = within(names, values), []
    for row, label in called.items():
        cells = []
        for name, factor in columns.fields.values():
            estimate = Estimate.of([factor * getattr(x, name) for x in values[row].values()])
            cells.append(Cell(estimate.value, estimate.std, tuple(values[row])))
        facts = method_facts(label, row, row.recipe)
        entries = (*cells, str(len(values[row])))
        rows.append(Row(label.text, entries, facts, names[row]))
    facts = {
        "dataset": place.dataset, "classes": place.subset, "source": place.source,
        "backbone": place.backbone, "weights_sha256": place.weights,
    }  # fmt: skip
    shown = (*columns.fields, "Seeds")
    return Grid(title, shown, tuple(rows), facts=facts, key=keys(called.values()),
                least_is_best=columns.least_is_best, not_ranked=columns.not_ranked)  # fmt: skip
