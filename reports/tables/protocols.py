"""The protocols on all classes: which runs belong to one, and in which of its tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from reports.layout.labels import labels, plural_shots
from reports.layout.rows import rows_of
from reports.runs.consistency import the_same
from reports.runs.data_sets import namesakes
from reports.runs.run import LeftOut, Method, Run
from reports.tables.averages import note_on_average, title_of

SOURCES_WITH_VARIANTS = ("ImageNet", "WovenImageNet", "PocketShapes")  # ImageNetA, ...
TRANSFERS = ("cross-dataset", "domain-generalization")
ZERO_SHOT = "zero-shot"
FEW_SHOT = "few-shot"


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


@dataclass
class Block:
    """The runs of one table.

    Attributes:
        name: what it is about: "from ImageNet", a data set, ...
        source: the data set of the training, whose column is in no average; "" if there is none.
        datasets: what its numbers are already averages over.
    """

    name: str
    backbone: str
    weights: str
    source: str = ""
    datasets: tuple[str, ...] = ()
    runs: list[Run] = field(default_factory=list)


def _is_variant(run: Run) -> bool:
    name = run.recorded_dataset or run.dataset
    return any(name != source and name.startswith(source) for source in SOURCES_WITH_VARIANTS)


def is_at_home(run: Run) -> bool:
    """Whether a run tested on the data set that it was trained on."""
    return bool(run.trained_on) and run.dataset == run.trained_on[0]


def _is_untuned_source(run: Run) -> bool:
    return run.is_zero_shot and run.dataset in SOURCES_WITH_VARIANTS


PROTOCOLS = {
    "cross-dataset": Protocol(
        belongs=lambda run: not _is_variant(run),
        block=lambda run: f"from {run.trained_on[0]}",
        column=lambda run: run.dataset,
        averaged=True,
    ),
    "domain-generalization": Protocol(
        belongs=lambda run: _is_variant(run) or is_at_home(run) or _is_untuned_source(run),
        block=lambda run: f"from {run.trained_on[0]}",
        column=lambda run: run.dataset,
        averaged=True,
    ),
    FEW_SHOT: Protocol(
        belongs=lambda run: run.trained_on == (run.dataset, "all"),
        block=lambda run: run.dataset,
        column=lambda run: plural_shots(run.shots),
    ),
    ZERO_SHOT: Protocol(
        belongs=lambda run: run.is_zero_shot,
        block=lambda run: ZERO_SHOT,
        column=lambda run: run.dataset,
        averaged=True,
    ),
}


def blocks_of(
    protocol: str, runs: Iterable[Run], left_out: Iterable[LeftOut] = ()
) -> tuple[list[Block], list[LeftOut], list[str]]:
    """A protocol's runs by table, the results that belong to it but to no table, and notes.

    Results on base or new classes are another protocol's and are passed over.
    """
    kind = PROTOCOLS[protocol]
    left = list(left_out)
    blocks: dict[tuple[str, str, str], Block] = {}
    zero_shot = []
    for run in runs:
        if run.subset != "all" or not kind.belongs(run):
            continue
        if run.split != "test":
            left.append(LeftOut(run.path, f"split must be test; got {run.split!r}"))
        elif run.is_zero_shot and protocol in TRANSFERS:
            zero_shot.append(run)
        elif run.trained_on is None and protocol != ZERO_SHOT:
            left.append(LeftOut(run.path, "it does not say what it was trained on"))
        elif run.trained_on and run.trained_on[1] != "all":
            left.append(LeftOut(run.path, f"trained on {run.trained_on[1]} classes, not on all"))
        else:
            key = kind.block(run), run.backbone, run.weights
            source = run.trained_on[0] if protocol in TRANSFERS else ""
            blocks.setdefault(key, Block(*key, source)).runs.append(run)
    found = list(blocks.values())
    if protocol in TRANSFERS:
        for block in found:
            block.runs, alone = _transferred(block.runs)
            left += alone
        found = [block for block in found if block.runs]
        found += _add_zero_shot(found, zero_shot, protocol)
    found.sort(key=lambda block: (block.name, block.backbone, block.weights))
    averages, notes = _averages(found) if protocol == FEW_SHOT else ([], [])
    return found + averages, left, notes


def rows_in(protocol: str, blocks: Iterable[Block]) -> dict[Method, Method]:
    """The row of each method; a few-shot row goes on over the numbers of shots."""
    return rows_of(
        (
            ((block.name, block.backbone, block.weights), run.method)
            for block in blocks
            if not block.datasets
            for run in block.runs
        ),
        over_shots=protocol == FEW_SHOT,
    )


def _transferred(runs: list[Run]) -> tuple[list[Run], list[LeftOut]]:
    """Without the methods that were tested on their source alone.

    These are another protocol's, unless the trainer was tested elsewhere with other settings.
    """
    methods = {run.method for run in runs if not is_at_home(run)}
    trainers = {method.trainer for method in methods}
    reason = "no test on another data set has its recipe, shots, settings and commit"
    alone = [
        LeftOut(run.path, reason)
        for run in runs
        if run.method not in methods and run.trainer in trainers
    ]
    return [run for run in runs if run.method in methods], alone


def _add_zero_shot(blocks: list[Block], runs: list[Run], protocol: str) -> list[Block]:
    """Adds zero-shot runs to the tables whose columns they have; returns tables of the others'."""
    alone: dict[tuple[str, str], Block] = {}
    columns = [{run.dataset for run in block.runs} | {block.source} for block in blocks]
    for run in runs:
        backbone = run.backbone, run.weights
        beside = [block for block in blocks if (block.backbone, block.weights) == backbone]
        for block in beside:
            if run.dataset in columns[blocks.index(block)]:
                block.runs.append(run)
        if not beside:
            source = next((x for x in SOURCES_WITH_VARIANTS if run.dataset.startswith(x)), "")
            block = alone.setdefault(backbone, Block(ZERO_SHOT, *backbone))
            block.source = block.source or source
            block.runs.append(run)
    return list(alone.values())


def _averages(blocks: list[Block]) -> tuple[list[Block], list[str]]:
    """Few-shot means over the data sets of a backbone, where a row has a seed on all of them."""
    apart = namesakes(run for block in blocks for run in block.runs)
    rows = rows_in(FEW_SHOT, blocks)
    names = labels(rows.values())
    by_backbone: dict[tuple[str, str], list[Block]] = defaultdict(list)
    for block in blocks:
        if block.name not in apart:
            by_backbone[block.backbone, block.weights].append(block)
    averages, notes = [], []
    for backbone, group in by_backbone.items():
        if len(group) < 2:
            continue
        datasets = tuple(block.name for block in group)
        name = title_of(len(group))
        means, absent = [], defaultdict(dict)
        for (row, shots, seed), by_dataset in _cells(group, rows).items():
            single = {dataset: the_same(runs) for dataset, runs in by_dataset.items()}
            lacking = [dataset for dataset in datasets if single.get(dataset) is None]
            absent[f"{names[row].text} with {plural_shots(shots)}"][seed] = lacking
            if not lacking:
                accuracy = float(np.mean([run.accuracy for run in single.values()]))
                means.append(replace(single[datasets[0]], dataset=name, accuracy=accuracy))
        notes += note_on_average(len(group), absent)
        if means:
            averages.append(Block(name, *backbone, "", datasets, means))
    return averages, notes


def _cells(
    blocks: Iterable[Block], rows: Mapping[Method, Method]
) -> dict[tuple[Method, int, int], dict[str, list[Run]]]:
    """{(row, shots, seed): {data set: runs}}, in the order of rows, shots and seeds."""
    cells: dict[tuple, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for block in blocks:
        for run in block.runs:
            cells[rows[run.method], run.shots, run.seed][run.dataset].append(run)
    return dict(sorted(cells.items()))
