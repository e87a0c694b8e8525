"""Tables on all classes: cross-dataset, domain generalisation, few-shot, zero-shot.

Rows are methods, columns are data sets (or numbers of shots), and every cell says what it is the
mean of. Only runs with the same backbone and weights stand in one table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from reports import paired, published
from reports.beside import against_published, delta_notes, nothing_to_show, pair_notes
from reports.collect import LeftOut, Method, Run
from reports.consistency import duplicates, notes_on_commits, notes_on_shots, the_same
from reports.grid import Cell, Document, Grid, Row, seeds_column
from reports.labels import labels, plural_shots, trainer_order
from reports.protocols import AVERAGE, FEW_SHOT, PROTOCOLS, TRANSFERS, ZERO_SHOT, Block, blocks_of
from reports.published import Published
from reports.statistics import Estimate

FOOTNOTE = (
    "Accuracy in percent, mean \u00b1 population standard deviation over seeds (no \u00b1 for a "
    "single seed). n is the number of seeds where a row's cells differ in it. Bold: best of its "
    "column; underlined: second. The average is over the columns it names, seed by seed, and only "
    "where a method has all of them."
)
AVERAGED_TARGETS = {
    "cross-dataset": published.ELEVEN - {"imagenet"},
    "domain-generalization": {"imagenetv2", "imagenetsketch", "imageneta", "imagenetr"},
    FEW_SHOT: published.ELEVEN,
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
    grids, shown = [], False
    for block in blocks:
        names = row_names(protocol, block.runs)
        accuracies, twins = _accuracies(protocol, block.runs, names)
        left += twins if not block.datasets else []
        grid = _grid(protocol, block, names, accuracies)
        if not grid.rows:
            continue
        rows = _published_rows(protocol, block, grid, beside)
        shown |= bool(rows)
        grid = replace(grid, rows=seeds_column((*grid.rows, *rows)))
        grid = replace(grid, columns=(*grid.columns, "Seeds")).with_deltas(baseline)
        comparison = against_published(grid, grid.columns[:-1])
        differences = pair and paired.grid(grid.title, pair, _values(accuracies, block.source))
        grids += [grid, *(extra for extra in (comparison, differences) if extra)]
    notes = []
    if grids:
        notes = [FOOTNOTE, *([published.NOTE] if shown else [])]
        notes += [nothing_to_show()] if beside and not shown else []
        notes += delta_notes(baseline, grids) + pair_notes(pair, grids)
        tested = [run for block in blocks if not block.datasets for run in block.runs]
        notes += notes_of_blocks + (_recipes(tested) if protocol == FEW_SHOT else [])
        notes += notes_on_commits(run.method for run in tested) + notes_on_shots(tested)
    return Document(title, tuple(grids), tuple(notes), tuple(sorted(set(left))))


def row_names(protocol: str, runs: Sequence[Run]) -> dict[Method, str]:
    """The row of each method, in order; a few-shot row goes on over the numbers of shots."""
    if protocol != FEW_SHOT:
        return labels(run.method for run in runs)
    # The recipe may follow the number of shots, as CoOp's does, and is named where it does not.
    found: dict[tuple[str, int], set[Method]] = defaultdict(set)
    commits: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        found[run.trainer, run.shots].add(run.method)
        commits[run.trainer].add(run.commit)
    unclear = {trainer for (trainer, _), methods in found.items() if len(methods) > 1}
    full = labels(replace(run.method, shots=0) for run in runs if run.trainer in unclear)
    names = {}
    for run in sorted(runs, key=lambda run: (trainer_order(run.trainer), run.method)):
        name = full.get(replace(run.method, shots=0), run.trainer)
        if run.trainer not in unclear and len(commits[run.trainer]) > 1:
            name += f" (commit {run.commit or 'unknown'})"
        names[run.method] = name
    return names


def _recipes(runs: Iterable[Run]) -> list[str]:
    """Which recipe a few-shot row is of, where it is not one for all numbers of shots."""
    found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for run in runs:
        found[run.trainer][run.recipe].add(run.shots)
    return [
        f"{trainer}: "
        + "; ".join(
            f"{', '.join(map(plural_shots, sorted(shots)))}: recipe {recipe or 'not recorded'}"
            for recipe, shots in sorted(recipes.items(), key=lambda item: min(item[1]))
        )
        + "."
        for trainer, recipes in sorted(found.items())
        if len(recipes) > 1
    ]


def _accuracies(
    protocol: str, runs: Iterable[Run], names: Mapping[Method, str]
) -> tuple[Accuracies, list[LeftOut]]:
    """The accuracy of every cell and seed that has one, and the files where there are two."""
    by_seed: dict[tuple, list[Run]] = defaultdict(list)
    for run in runs:
        by_seed[names[run.method], PROTOCOLS[protocol].column(run), run.seed].append(run)
    found: Accuracies = defaultdict(dict)
    left = []
    for (row, column, seed), group in by_seed.items():
        single = the_same(group)
        if single:
            found[row, column][seed] = single.accuracy
        else:
            left += duplicates(group)
    return dict(found), left


def _grid(protocol: str, block: Block, names: Mapping[Method, str], accuracies: Accuracies) -> Grid:
    columns = _columns(protocol, block)
    cells = {key: _cell(values) for key, values in accuracies.items()}
    rows = [row for row in dict.fromkeys(names.values()) if any(row == key[0] for key in cells)]
    targets = [column for column in columns if column != block.source]
    if PROTOCOLS[protocol].averaged and targets:
        columns = [*columns, f"{AVERAGE} of {len(targets)}"]
        for row in rows:
            values = [accuracies.get((row, column), {}) for column in targets]
            seeds = sorted(set.intersection(*map(set, values)))
            if seeds:
                means = {seed: float(np.mean([v[seed] for v in values])) for seed in seeds}
                cells[row, columns[-1]] = _cell(means)
    methods = defaultdict(list)
    for method, row in names.items():
        methods[row].append(method)
    return Grid(
        f"{block.name} ({block.backbone}, weights {block.weights[:8] or 'not recorded'})",
        tuple(columns),
        tuple(
            Row(row, tuple(cells.get((row, column), "") for column in columns),
                _facts(methods[row], protocol))
            for row in rows
        ),
        facts={"block": block.name, "backbone": block.backbone, "weights_sha256": block.weights},
    )  # fmt: skip


def _facts(methods: Sequence[Method], protocol: str) -> dict[str, object]:
    """What all methods of a row share: with few-shot they differ in shots, and may in recipe."""
    recipes = {method.recipe for method in methods}
    first = methods[0]
    facts = {"trainer": first.trainer, "recipe": recipes.pop() if len(recipes) == 1 else ""}
    facts["commit"] = first.commit
    return facts if protocol == FEW_SHOT else facts | {"shots": first.shots}


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
    """What `paired.grid` takes, without the data set of the training."""
    values: dict[str, dict[tuple, float]] = defaultdict(dict)
    for (row, column), by_seed in accuracies.items():
        if column != source:
            values[row] |= {(column, seed): accuracy for seed, accuracy in by_seed.items()}
    return {"Accuracy": values}


def _published_rows(
    protocol: str, block: Block, grid: Grid, rows: Sequence[Published]
) -> list[Row]:
    """One row for each method with a number in one of the grid's columns."""
    if block.backbone != published.BACKBONE:
        return []
    if protocol in TRANSFERS and block.name not in ("from ImageNet", ZERO_SHOT):
        return []
    found: dict[str, dict[str, Published]] = defaultdict(dict)
    for row in rows:
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
        parts = {published.place_of(name) for name in block.datasets}
        average = block.datasets and parts == AVERAGED_TARGETS[protocol]
        place = published.AVERAGE if average else published.place_of(block.name)
        return row.place == place and column == plural_shots(row.shots)
    if not column.startswith(AVERAGE):
        return row.place == published.place_of(column)
    names = (name for name in grid.columns if name not in (block.source, column))
    targets = {published.place_of(name) for name in names}
    return row.place == published.AVERAGE and targets == AVERAGED_TARGETS[protocol]
