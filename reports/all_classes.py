"""Tables on all classes: cross-dataset, domain generalisation, few-shot, zero-shot.

Rows are methods, columns are data sets (or numbers of shots), and every cell says what it is the
mean of. Only runs with the same backbone and weights stand in one table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports import paired, published
from reports.base_to_new import against_published, delta_notes, nothing_to_show
from reports.collect import LeftOut, Method, Run
from reports.consistency import notes_on_commits, notes_on_shots
from reports.grid import Cell, Document, Grid, Row, seeds_column
from reports.labels import labels, plural_shots, trainer_order
from reports.published import Published
from reports.statistics import Estimate

AVERAGE = "Average"
FOOTNOTE = (
    "Accuracy in percent, mean \u00b1 population standard deviation over seeds (no \u00b1 for a "
    "single seed). n is the number of seeds where a row's cells differ in it. Bold: best of its "
    "column; underlined: second. The average is over the columns it names, seed by seed, and only "
    "where a method has all of them."
)


@dataclass(frozen=True)
class Protocol:
    """How the runs of one protocol are found and laid out.

    Attributes:
        belongs: whether a run on all classes is one of the protocol's.
        block: what a table is about, besides backbone and weights.
        column: name of a run's column.
        averaged: whether there is an average of the columns, but for the data set of the training.
    """

    belongs: Callable[[Run], bool]
    block: Callable[[Run], str]
    column: Callable[[Run], str]
    averaged: bool = False


SOURCES_WITH_VARIANTS = ("ImageNet", "PocketShapes")  # ImageNetA, PocketShapesMurky, ...


def _is_variant(run: Run) -> bool:
    return any(
        run.dataset != source and run.dataset.startswith(source) for source in SOURCES_WITH_VARIANTS
    )


def _is_source(run: Run) -> bool:
    return run.dataset in SOURCES_WITH_VARIANTS


def _is_at_home(run: Run) -> bool:
    return bool(run.trained_on) and run.dataset == run.trained_on[0]


PROTOCOLS = {
    "cross-dataset": Protocol(
        belongs=lambda run: not _is_variant(run),
        block=lambda run: f"from {run.trained_on[0]}",
        column=lambda run: run.dataset,
        averaged=True,
    ),
    "domain-generalization": Protocol(
        belongs=lambda run: _is_variant(run) or _is_at_home(run) or _is_source(run),
        block=lambda run: f"from {run.trained_on[0]}",
        column=lambda run: run.dataset,
        averaged=True,
    ),
    "few-shot": Protocol(
        belongs=lambda run: run.trained_on == (run.dataset, "all"),
        block=lambda run: run.dataset,
        column=lambda run: plural_shots(run.shots),
    ),
    "zero-shot": Protocol(
        belongs=lambda run: run.is_zero_shot,
        block=lambda run: "zero-shot",
        column=lambda run: run.dataset,
        averaged=True,
    ),
}


TRANSFERS = ("cross-dataset", "domain-generalization")


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

    Results on base or new classes are another protocol's and are passed over.

    Args:
        protocol: a key of PROTOCOLS.
        beside: published numbers that stand beside ours.
        baseline: label of the row that others are compared with; "" for none.
        pair: labels of two rows to compare over data sets and seeds.
    """
    blocks, left = blocks_of(protocol, runs, left_out)
    grids, shown = [], False
    for name, group in blocks.items():
        grid = _grid(protocol, name, group, left)
        if not grid.rows:
            continue
        rows = _published_rows(protocol, grid, beside)
        shown |= bool(rows)
        grid = replace(grid, rows=seeds_column((*grid.rows, *rows)))
        grid = replace(grid, columns=(*grid.columns, "Seeds")).with_deltas(baseline)
        grids.append(grid)
        comparison = against_published(grid, grid.columns[:-1])
        paired_grid = pair and paired.grid(grid.title, pair, _values(protocol, group))
        grids += [extra for extra in (comparison, paired_grid) if extra]
    notes = []
    if grids:
        notes += [paired.NOTE] if pair else []
        notes = [FOOTNOTE, *notes, *([published.NOTE] if shown else [])]
        notes += [nothing_to_show()] if beside and not shown else []
        notes += delta_notes(baseline, grids)
        shown_runs = [run for group in blocks.values() for run in group]
        notes += notes_on_commits(run.method for run in shown_runs) + notes_on_shots(shown_runs)
    return Document(title, tuple(grids), tuple(notes), tuple(sorted(left)))


Block = tuple[str, str, str]  # what it is about, backbone, weights


def blocks_of(
    protocol: str, runs: Iterable[Run], left_out: Iterable[LeftOut] = ()
) -> tuple[dict[Block, list[Run]], list[LeftOut]]:
    """A protocol's runs by table, and the results that belong to it but to no table."""
    kind = PROTOCOLS[protocol]
    left = list(left_out)
    blocks: dict[Block, list[Run]] = defaultdict(list)
    zero_shot = []
    for run in runs:
        if run.subset != "all" or not kind.belongs(run):
            continue
        if run.is_zero_shot and protocol in TRANSFERS:
            zero_shot.append(run)
        elif run.trained_on is None and protocol != "zero-shot":
            left.append(LeftOut(run.path, "it does not say what it was trained on"))
        elif run.trained_on and run.trained_on[1] != "all":
            left.append(LeftOut(run.path, f"trained on {run.trained_on[1]} classes, not on all"))
        elif run.split != "test":
            left.append(LeftOut(run.path, f"split must be test; got {run.split!r}"))
        else:
            blocks[kind.block(run), run.backbone, run.weights].append(run)
    if protocol in TRANSFERS:
        blocks = {name: _transferred(group) for name, group in blocks.items()}
        _add_zero_shot(blocks, zero_shot)
    blocks = {name: group for name, group in sorted(blocks.items()) if group}
    return blocks | (_averages(blocks) if protocol == "few-shot" else {}), left


def _averages(blocks: dict[Block, list[Run]]) -> dict[Block, list[Run]]:
    """Means over the data sets of a backbone, where a method has the shots and seed on all."""
    by_backbone: dict[tuple[str, str], list[list[Run]]] = defaultdict(list)
    for (_, *backbone), group in blocks.items():
        by_backbone[tuple(backbone)].append(group)
    averages = {}
    for backbone, groups in by_backbone.items():
        cells: dict[tuple, list[Run]] = defaultdict(list)
        for run in (run for group in groups for run in group):
            cells[run.method, run.seed].append(run)
        name = f"{AVERAGE} over {len(groups)} data sets"
        means = [
            replace(runs[0], dataset=name, accuracy=float(np.mean([run.accuracy for run in runs])))
            for runs in cells.values()
            if len(runs) == len({run.dataset for run in runs}) == len(groups)
        ]
        if len(groups) > 1 and means:
            averages[(name, *backbone)] = means
    return averages


def _add_zero_shot(blocks: dict[Block, list[Run]], runs: list[Run]) -> None:
    """Zero-shot rows beside the tuned ones of every source, or in a table of their own."""
    for run in runs:
        names = [name for name, group in blocks.items() if group and name[1:] == _backbone(run)]
        for name in names or [("zero-shot", *_backbone(run))]:
            blocks.setdefault(name, []).append(run)


def _backbone(run: Run) -> tuple[str, str]:
    return run.backbone, run.weights


def _transferred(runs: list[Run]) -> list[Run]:
    """Without the methods that were tested on their source alone."""
    elsewhere = {run.method for run in runs if not _is_at_home(run)}
    return [run for run in runs if run.method in elsewhere]


def row_names(protocol: str, runs: Sequence[Run]) -> dict[Method, str]:
    """The row of each method; with few-shot, one row goes on over the numbers of shots."""
    if protocol != "few-shot":
        return labels(run.method for run in runs)
    # The recipe may follow the number of shots, as CoOp's does, and is named where it does not.
    found: dict[tuple[str, int], set[Method]] = defaultdict(set)
    for run in runs:
        found[run.trainer, run.shots].add(run.method)
    unclear = {trainer for (trainer, _), methods in found.items() if len(methods) > 1}
    commits = {trainer: {r.commit for r in runs if r.trainer == trainer} for trainer, _ in found}
    full = labels(replace(run.method, shots=0) for run in runs if run.trainer in unclear)
    names = {}
    for run in sorted(runs, key=lambda run: (trainer_order(run.trainer), run.method)):
        name = full.get(replace(run.method, shots=0), run.trainer)
        if run.trainer not in unclear and len(commits[run.trainer]) > 1:
            name += f" (commit {run.commit or 'unknown'})"
        names[run.method] = name
    return names


def _grid(protocol: str, name: Block, runs: list[Run], left: list[LeftOut]) -> Grid:
    kind, (block, backbone, weights) = PROTOCOLS[protocol], name
    by_seed: dict[tuple[str, str], dict[int, list[Run]]] = defaultdict(lambda: defaultdict(list))
    names = row_names(protocol, runs)
    for run in runs:
        by_seed[names[run.method], kind.column(run)][run.seed].append(run)
    accuracies = {key: _accuracies(seeds, left) for key, seeds in by_seed.items()}
    cells = {key: _cell(values) for key, values in accuracies.items() if values}
    columns = _columns(kind, runs)
    rows = [row for row in dict.fromkeys(names.values()) if any(row == key[0] for key in cells)]
    if kind.averaged:
        home = {kind.column(run) for run in runs if _is_at_home(run)}
        targets = [column for column in columns if column not in home]
        columns.append(f"{AVERAGE} of {len(targets)}")
        for row in rows:
            values = [accuracies.get((row, column), {}) for column in targets]
            seeds = sorted(set.intersection(*map(set, values)))
            if seeds:
                means = {seed: float(np.mean([v[seed] for v in values])) for seed in seeds}
                cells[row, columns[-1]] = _cell(means)
    found = {names[run.method]: run.method for run in runs}
    title = f"{block} ({backbone}, weights {weights[:8] or 'not recorded'})"
    return Grid(
        title,
        tuple(columns),
        tuple(
            Row(
                row,
                tuple(cells.get((row, column), "") for column in columns),
                _facts(found[row], protocol),
            )
            for row in rows
        ),
        facts={"block": block, "backbone": backbone, "weights_sha256": weights},
    )


def _values(protocol: str, runs: list[Run]) -> dict[str, dict[str, dict[tuple, float]]]:
    """Accuracy of each row by column and seed, without the data set of the training."""
    kind, names = PROTOCOLS[protocol], row_names(protocol, runs)
    values: dict[str, dict[tuple, float]] = defaultdict(dict)
    for run in runs:
        if protocol == "few-shot" or not _is_at_home(run):
            values[names[run.method]][kind.column(run), run.seed] = run.accuracy
    return {"Accuracy": values}


def _facts(method: Method, protocol: str) -> dict[str, object]:
    facts = {"trainer": method.trainer, "recipe": method.recipe, "commit": method.commit}
    return facts if protocol == "few-shot" else facts | {"shots": method.shots}


def _accuracies(by_seed: dict[int, list[Run]], left: list[LeftOut]) -> dict[int, float]:
    """{seed: accuracy}; of seeds with several results none, unless they are the very same."""
    found = {}
    for seed, runs in by_seed.items():
        # Two protocols share trainings and tests.
        if len({(run.recipe, run.accuracy) for run in runs}) == 1:
            found[seed] = runs[0].accuracy
            continue
        names = ", ".join(run.path for run in runs)
        left += [LeftOut(run.path, f"duplicate: the same cell as {names}") for run in runs]
    return found


def _columns(kind: Protocol, runs: list[Run]) -> list[str]:
    if kind is PROTOCOLS["few-shot"]:
        return [plural_shots(shots) for shots in sorted({run.shots for run in runs})]
    home = sorted({kind.column(run) for run in runs if _is_at_home(run)})
    return home + sorted({kind.column(run) for run in runs} - set(home))


def _cell(accuracy: dict[int, float]) -> Cell:
    estimate = Estimate.of(list(accuracy.values()))
    return Cell(estimate.value, estimate.std, tuple(sorted(accuracy)))


def _published_rows(protocol: str, grid: Grid, rows: Sequence[Published]) -> list[Row]:
    """One row for each method with a number in one of the grid's columns."""
    if grid.facts["backbone"] != published.BACKBONE:
        return []
    source = grid.facts["block"]
    if protocol in TRANSFERS and source not in ("from ImageNet", "zero-shot"):
        return []
    found: dict[str, dict[str, Published]] = defaultdict(dict)
    for row in rows:
        for column in grid.columns:
            if _is_of(row, column, protocol, grid):
                found[row.method][column] = row
    return [
        next(iter(cells.values())).row(
            [cells[c].entry("accuracy") if c in cells else "" for c in grid.columns]
        )
        for cells in found.values()
    ]


AVERAGED_TARGETS = {
    "cross-dataset": published.ELEVEN - {"imagenet"},
    "domain-generalization": {"imagenetv2", "imagenetsketch", "imageneta", "imagenetr"},
}


def _is_of(row: Published, column: str, protocol: str, grid: Grid) -> bool:
    if protocol == "few-shot":
        place = published.place_of(str(grid.facts["block"]))
        return row.place == place and column == plural_shots(row.shots)
    if not column.startswith(AVERAGE):
        return row.place == published.place_of(column)
    targets = {published.place_of(name) for name in grid.columns} - {"imagenet"}
    targets = {name for name in targets if not name.startswith(AVERAGE.lower())}
    return row.place == published.AVERAGE and targets == AVERAGED_TARGETS[protocol]
