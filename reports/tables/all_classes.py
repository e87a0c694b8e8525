"""Tables on all classes: cross-dataset, domain generalisation, few-shot, zero-shot.

Rows are methods, columns are data sets (or numbers of shots), and every cell says what it is the
mean of. Only runs with the same backbone and weights stand in one table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from reports.layout.grid import Cell, Document, Grid, Row, seeds_column
from reports.layout.headings import headings
from reports.layout.intervals import SPREAD
from reports.layout.labels import Label, keys, labels, plural_shots, row_facts, within
from reports.published import papers
from reports.published.papers import Published
from reports.runs.benchmark_names import ELEVEN, VARIANTS, place_of
from reports.runs.consistency import notes_on_commits, notes_on_shots, one_each
from reports.runs.data_sets import namesakes
from reports.runs.run import LeftOut, Method, Run
from reports.tables import paired_differences
from reports.tables.averages import AVERAGE
from reports.tables.base_to_new_pairs import note_on_recipes
from reports.tables.comparisons import (
    against_published,
    check_pair,
    delta_notes,
    labels_in,
    nothing_to_show,
    pair_notes,
)
from reports.tables.estimates import Estimate
from reports.tables.protocols import (
    FEW_SHOT,
    PROTOCOLS,
    TRANSFERS,
    ZERO_SHOT,
    Block,
    blocks_of,
    rows_in,
)

FOOTNOTE = (
    f"Accuracy in percent, mean \u00b1 {SPREAD} (no \u00b1 for a "
    "single seed). n is the number of seeds where a row's cells differ in it. Bold: best of its "
    "column; underlined: second. The average is over the columns it names, seed by seed, and only "
    "where a method has all of them."
)
AVERAGED_TARGETS = {
    "cross-dataset": ELEVEN - {"imagenet"},
    "domain-generalization": VARIANTS,
    FEW_SHOT: ELEVEN,
}
# {(row, column): {seed: accuracy}}
Accuracies = dict[tuple[str, str], dict[int, float]]


def document(
    protocol: str,
    runs: Iterable[Run],
    left_out: Iterable[LeftOut] = (),
    *,
    title: str,
    beside: Sequence[Published] = (),
    baseline: str = "",
    pair: Sequence[str] = (),
) -> Document:
    """All tables of a protocol, their notes, and the results that are in none of their cells.

    Args:
        protocol: a key of PROTOCOLS.
        beside: published numbers that stand beside ours.
        baseline: label of the row that others are compared with; "" for none.
        pair: labels of two rows to compare over data sets and seeds.
    """
    blocks, left, notes_of_blocks = blocks_of(protocol, runs, left_out)
    rows = rows_in(protocol, blocks)
    names = labels(rows.values())
    rows_to = {row: [method for method in rows if rows[method] == row] for row in names}
    apart = namesakes(run for block in blocks for run in block.runs)
    titles = headings([(block.name, block.backbone, block.weights) for block in blocks])
    grids, shown = [], False
    for block, heading in zip(blocks, titles, strict=True):
        own = within(names, (rows[run.method] for run in block.runs))
        called = {method: label for row, label in own.items() for method in rows_to[row]}
        accuracies, twins = _accuracies(protocol, block.runs, called)
        left += twins if not block.datasets else []
        full = {own[row]: names[row] for row in own}
        grid = _grid(protocol, block, heading, called, full, accuracies, apart)
        if not grid.rows:
            continue
        theirs = _published_rows(protocol, block, grid, beside)
        shown |= bool(theirs)
        grid = replace(grid, rows=seeds_column((*grid.rows, *theirs)),
                       key=(*grid.key, *keys(row.name for row in theirs)))  # fmt: skip
        grid = replace(grid, columns=(*grid.columns, "Seeds")).with_deltas(baseline)
        comparison = against_published(grid, grid.columns[:-1])
        differences = pair and paired_differences.grid(
            grid.title, pair, _values(accuracies, block.source), by_data_set=protocol != FEW_SHOT
        )
        grids += [grid, *(extra for extra in (comparison, differences) if extra)]
    notes = []
    if grids:
        check_pair(pair, labels_in(grids))
        notes = [FOOTNOTE, *([papers.NOTE] if shown else [])]
        notes += [nothing_to_show()] if beside and not shown else []
        notes += delta_notes(baseline, grids) + pair_notes(pair, grids)
        tested = [run for block in blocks if not block.datasets for run in block.runs]
        notes += notes_of_blocks + _recipes(rows, names, tested)
        notes += notes_on_commits(run.method for run in tested) + notes_on_shots(tested)
    return Document(title, tuple(grids), tuple(notes), tuple(sorted(set(left))))


def _recipes(
    rows: Mapping[Method, Method], names: Mapping[Method, Label], runs: Iterable[Run]
) -> list[str]:
    """Which recipe a row is of where, if it is of several."""
    found: dict[Method, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in sorted(runs, key=lambda run: (run.shots, run.dataset)):
        found[rows[run.method]][run.recipe].append(run)
    notes = []
    for row in names:
        recipes = found.get(row, {})
        if len(recipes) < 2:
            continue
        shots = {recipe: {run.shots for run in own} for recipe, own in recipes.items()}
        by_shots = sum(map(len, shots.values())) == len(set().union(*shots.values()))
        places = {
            recipe: list(
                dict.fromkeys(plural_shots(run.shots) if by_shots else run.dataset for run in own)
            )
            for recipe, own in recipes.items()
        }
        notes.append(note_on_recipes(names[row].text, places))
    return notes


def _accuracies(
    protocol: str, runs: Iterable[Run], names: Mapping[Method, Label]
) -> tuple[Accuracies, list[LeftOut]]:
    """The accuracy of every cell and seed that has one, and the files where there are two."""
    by_seed: dict[tuple, list[Run]] = defaultdict(list)
    for run in runs:
        by_seed[names[run.method].text, PROTOCOLS[protocol].column(run), run.seed].append(run)
    single, left = one_each(by_seed)
    found: Accuracies = defaultdict(dict)
    for (row, column, seed), run in single.items():
        found[row, column][seed] = run.accuracy
    return dict(found), left


def _grid(
    protocol: str,
    block: Block,
    title: str,
    names: Mapping[Method, Label],
    full: Mapping[Label, Label],
    accuracies: Accuracies,
    apart: Collection[str],
) -> Grid:
    columns = _columns(protocol, block)
    cells = {key: _cell(values) for key, values in accuracies.items()}
    shown = {row for row, _ in cells}
    rows = [label for label in dict.fromkeys(names.values()) if label.text in shown]
    targets = [column for column in columns if column != block.source and column not in apart]
    if PROTOCOLS[protocol].averaged and len(targets) > 1:
        columns = [*columns, f"{AVERAGE} of {len(targets)}"]
        for row in shown:
            values = [accuracies.get((row, column), {}) for column in targets]
            seeds = sorted(set.intersection(*map(set, values)))
            if seeds:
                means = {seed: float(np.mean([v[seed] for v in values])) for seed in seeds}
                cells[row, columns[-1]] = _cell(means)
    methods = defaultdict(list)
    for method, label in names.items():
        methods[label].append(method)
    return Grid(
        title,
        tuple(columns),
        tuple(
            Row(label.text, tuple(cells.get((label.text, column), "") for column in columns),
                _facts(label, methods[label], protocol), full[label])
            for label in rows
        ),
        facts={"block": block.name, "backbone": block.backbone, "weights_sha256": block.weights},
        key=keys(rows),
    )  # fmt: skip


def _facts(label: Label, methods: Sequence[Method], protocol: str) -> dict[str, object]:
    """What all methods of a row share: with few-shot they differ in shots, and may in recipe."""
    recipes = {method.recipe for method in methods}
    facts = row_facts(label, recipes.pop() if len(recipes) == 1 else "")
    facts["commit"] = methods[0].commit
    return facts if protocol == FEW_SHOT else facts | {"shots": methods[0].shots}


def _columns(protocol: str, block: Block) -> list[str]:
    column = PROTOCOLS[protocol].column
    if protocol == FEW_SHOT:
        return list(dict.fromkeys(map(column, sorted(block.runs, key=lambda run: run.shots))))
    names = {column(run) for run in block.runs}
    return sorted(names, key=lambda name: (name != block.source, name))


def _cell(accuracy: dict[int, float]) -> Cell:
    estimate = Estimate.of(list(accuracy.values()))
    return Cell(estimate.value, estimate.std, tuple(sorted(accuracy)))


def _values(accuracies: Accuracies, source: str) -> dict[str, dict[str, dict[tuple, float]]]:
    """What `paired_differences.grid` takes, without the data set of the training."""
    values: dict[str, dict[tuple, float]] = defaultdict(dict)
    for (row, column), by_seed in accuracies.items():
        if column != source:
            values[row] |= {(column, seed): accuracy for seed, accuracy in by_seed.items()}
    return {"Accuracy": values}


def _published_rows(
    protocol: str, block: Block, grid: Grid, rows: Sequence[Published]
) -> list[Row]:
    """One row for each method with a number in one of the grid's columns."""
    if protocol in TRANSFERS and block.name not in ("from ImageNet", ZERO_SHOT):
        return []
    found: dict[str, dict[str, Published]] = defaultdict(dict)
    for row in (row for row in rows if row.backbone == block.backbone):
        for column in grid.columns:
            if _is_of(row, column, protocol, block, grid):
                found[row.method][column] = row
    made = []
    for cells in found.values():
        entries = [cells[c].entry("accuracy") if c in cells else "" for c in grid.columns]
        made.append(next(iter(cells.values())).row(entries, shots=protocol != FEW_SHOT))
    return made


def _is_of(row: Published, column: str, protocol: str, block: Block, grid: Grid) -> bool:
    if protocol == FEW_SHOT:
        parts = {place_of(name) for name in block.datasets}
        average = block.datasets and parts == AVERAGED_TARGETS[protocol]
        place = papers.AVERAGE if average else place_of(block.name)
        return row.place == place and column == plural_shots(row.shots)
    if not column.startswith(AVERAGE):
        return row.place == place_of(column)
    names = (name for name in grid.columns if name not in (block.source, column))
    targets = {place_of(name) for name in names}
    return row.place == papers.AVERAGE and targets == AVERAGED_TARGETS[protocol]
