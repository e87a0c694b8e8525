"""What an average hides: data sets below zero-shot, and averages with each data set left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from reports.layout.grid import Cell, Grid, Row
from reports.layout.headings import headings
from reports.layout.labels import Label, keys, method_facts, trainer_order
from reports.runs.run import Method
from reports.tables.base_to_new_numbers import Block, Report
from reports.tables.base_to_new_numbers import Row as Numbers
from reports.tables.estimates import Estimate

CORNER = "Row"
BELOW = "Below zero-shot"
NOTE_ON_ZERO_SHOT = (
    "The differences to zero-shot are of the means over seeds, in points, on new classes. "
    "Zero-shot is one row for all data sets, that with most of them, of one template if there are "
    "several. Below zero-shot: on how many data sets."
)
Group = tuple[str, str]  # backbone, weights


def against_zero_shot(report: Report, names: Mapping[Method, Label]) -> list[Grid]:
    """Each row's new accuracy minus zero-shot's on each data set, and how often it is below.

    One table for each backbone and weights that have a zero-shot row on two data sets or more.
    """
    found: dict[Group, dict[Method, dict[str, tuple[float, Numbers]]]] = {}
    for group, blocks in report.comparable().items():
        zero_shot = _zero_shot(blocks)
        rows: dict[Method, dict[str, tuple[float, Numbers]]] = defaultdict(dict)
        for block in blocks:
            base = next((row for row in block.rows if row.method == zero_shot), None)
            for row in block.rows if base else ():
                if row is not base:
                    rows[row.method][block.dataset] = row.new.value - base.new.value, row
        if len({dataset for own in rows.values() for dataset in own}) > 1:
            found[group] = rows
    titles = headings([("New classes, difference to zero-shot", *group) for group in found])
    return [
        _differences(title, rows, names) for title, rows in zip(titles, found.values(), strict=True)
    ]


def _zero_shot(blocks: Sequence[Block]) -> Method | None:
    """The row in which nothing was tuned that is on most data sets: one for all of them."""
    counts = Counter(row.method for block in blocks for row in block.rows
                     if row.cost.parameters == (0, 0))  # fmt: skip
    return min(counts, key=lambda x: (-counts[x], trainer_order(x.trainer), x), default=None)


def _differences(
    title: str,
    rows: Mapping[Method, Mapping[str, tuple[float, Numbers]]],
    names: Mapping[Method, Label],
) -> Grid:
    datasets = sorted({dataset for own in rows.values() for dataset in own})
    lines = []
    for method, own in rows.items():
        cells = [
            Cell(own[dataset][0], None, own[dataset][1].seeds) if dataset in own else ""
            for dataset in datasets
        ]
        below = sum(round(value, 2) < 0 for value, _ in own.values())
        entries = (*cells, f"{below} of {len(own)}")
        lines.append(
            Row(
                names[method].text,
                entries,
                method_facts(names[method], method, method.recipe),
                names[method],
            )
        )
    lines.sort(key=lambda row: list(names.values()).index(row.name))
    return Grid(title, (*datasets, BELOW), tuple(lines), corner=CORNER, key=_key(lines))


def leave_one_out(
    report: Report, names: Mapping[Method, Label], harmonic: Callable[[Numbers], Estimate]
) -> list[Grid]:
    """Each row's average harmonic mean, as `harmonic` takes it, over all data sets but one."""
    groups: dict[Group, dict[str, Block]] = defaultdict(dict)
    for dataset, blocks in report.without:
        for block in blocks:
            groups[block.backbone, block.weights][dataset] = block
    titles = headings([("Without one data set: average HM", *group) for group in groups])
    grids = []
    for title, by_dataset in zip(titles, groups.values(), strict=True):
        columns = sorted(by_dataset)
        values = {
            (row.method, dataset): Cell(harmonic(row).value, harmonic(row).std, row.seeds)
            for dataset, block in by_dataset.items()
            for row in block.rows
        }
        methods = {method for method, _ in values}
        rows = tuple(
            Row(label.text, tuple(values.get((method, name), "") for name in columns),
                method_facts(names[method], method, method.recipe), label)
            for method, label in names.items() if method in methods
        )  # fmt: skip
        headers = tuple(f"without {name}" for name in columns)
        grids.append(Grid(title, headers, rows, corner=CORNER, key=_key(rows)))
    return grids


def _key(rows: Iterable[Row]) -> tuple[tuple[str, str], ...]:
    return keys(row.name for row in rows if row.name)
