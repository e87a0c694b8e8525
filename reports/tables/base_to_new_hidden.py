"""What an average hides: data sets below zero-shot, and averages with each data set left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from reports.layout.grid import Cell, Grid, Row
from reports.layout.headings import headings
from reports.layout.labels import Label, keys, row_facts, trainer_order
from reports.runs.run import Method
from reports.tables.averages import AVERAGE
from reports.tables.base_to_new_numbers import Block, Report
from reports.tables.base_to_new_numbers import Row as Numbers

CORNER = "Row"
BELOW = "Below zero-shot"
NOTE_ON_ZERO_SHOT = (
    "The differences to zero-shot are of the means over seeds, in points, on new classes, with "
    "one template for zero-shot if there is such a row; below zero-shot: on how many data sets."
)
Group = tuple[str, str]  # backbone, weights


def against_zero_shot(report: Report, names: Mapping[Method, Label]) -> list[Grid]:
    """Each row's new accuracy minus zero-shot's on each data set, and how often it is below.

    One table for each backbone and weights that have a zero-shot row on two data sets or more.
    """
    found: dict[Group, dict[Method, dict[str, tuple[float, Numbers]]]] = {}
    for group, blocks in _by_group(report.blocks).items():
        zero_shot = {block.dataset: _zero_shot(block) for block in blocks}
        rows: dict[Method, dict[str, tuple[float, Numbers]]] = defaultdict(dict)
        for block in blocks:
            base = zero_shot[block.dataset]
            for row in block.rows if base else ():
                if row is not base:
                    rows[row.method][block.dataset] = row.new.value - base.new.value, row
        if rows and sum(map(bool, zero_shot.values())) > 1:
            found[group] = rows
    titles = headings([("New classes, difference to zero-shot", *group) for group in found])
    return [
        _differences(title, rows, names) for title, rows in zip(titles, found.values(), strict=True)
    ]


def _by_group(blocks: Sequence[Block]) -> dict[Group, list[Block]]:
    groups: dict[Group, list[Block]] = defaultdict(list)
    for block in blocks:
        if not block.dataset.startswith(AVERAGE):
            groups[block.backbone, block.weights].append(block)
    return groups


def _zero_shot(block: Block) -> Numbers | None:
    """The first row of a block in which nothing was tuned; `ZeroshotCLIP` is before others."""
    rows = [row for row in block.rows if row.cost.parameters == (0, 0)]
    return min(rows, key=lambda row: trainer_order(row.method.trainer), default=None)


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
        lines.append(Row(names[method].text, entries, _facts(method, names), names[method]))
    lines.sort(key=lambda row: list(names.values()).index(row.name))
    return Grid(title, (*datasets, BELOW), tuple(lines), corner=CORNER, key=_key(lines))


def leave_one_out(report: Report, names: Mapping[Method, Label], harmonic: str) -> list[Grid]:
    """Each row's average harmonic mean over all data sets but one.

    Args:
        harmonic: the attribute of a row that holds it.
    """
    groups: dict[Group, dict[str, Block]] = defaultdict(dict)
    for dataset, blocks in report.without:
        for block in blocks:
            groups[block.backbone, block.weights][dataset] = block
    titles = headings([("Without one data set: average HM", *group) for group in groups])
    grids = []
    for title, by_dataset in zip(titles, groups.values(), strict=True):
        columns = sorted(by_dataset)
        values = {
            (row.method, dataset): Cell(
                getattr(row, harmonic).value, getattr(row, harmonic).std, row.seeds
            )
            for dataset, block in by_dataset.items()
            for row in block.rows
        }
        methods = {method for method, _ in values}
        rows = tuple(
            Row(label.text, tuple(values.get((method, name), "") for name in columns),
                _facts(method, names), label)
            for method, label in names.items() if method in methods
        )  # fmt: skip
        headers = tuple(f"without {name}" for name in columns)
        grids.append(Grid(title, headers, rows, corner=CORNER, key=_key(rows)))
    return grids


def _key(rows: Iterable[Row]) -> tuple[tuple[str, str], ...]:
    return keys(row.name for row in rows if row.name)


def _facts(method: Method, names: Mapping[Method, Label]) -> dict[str, object]:
    return row_facts(names[method], method.recipe) | {
        "shots": method.shots,
        "commit": method.commit,
    }
