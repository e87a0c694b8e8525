"""Base-to-new statistics: which base result belongs to which new one, and their averages.

The harmonic mean of a row is the one published tables use, that of the seed-averaged base and new
accuracy. It is not the mean of the harmonic means of the seeds, whose spread stands beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports.collect import LeftOut, Run


@dataclass(frozen=True)
class Cost:
    """What training took.

    Attributes:
        parameters: (smallest, largest) number of trained parameters.
        step_sec: mean seconds of an optimisation step; None where nothing was trained.
        memory_bytes: highest memory use.
    """

    parameters: tuple[int, int]
    step_sec: float | None
    memory_bytes: int


@dataclass(frozen=True)
class Pair:
    """Base and new accuracy (percent) of one trained model, or their averages over data sets.

    Attributes:
        dataset: the data set, or the words that name the average.
        cost: of training; over the data sets, for averages.
    """

    trainer: str
    recipe: str
    dataset: str
    backbone: str
    weights: str
    shots: int
    seed: int
    base: float
    new: float
    cost: Cost

    @property
    def method(self) -> tuple[str, str, int]:
        """What is one row of a table: trainer, recipe and shots."""
        return self.trainer, self.recipe, self.shots


@dataclass(frozen=True)
class Estimate:
    """A value over seeds and its population standard deviation, both in percent."""

    value: float
    std: float


@dataclass(frozen=True)
class Row:
    """One method in one block; its cost is over its seeds."""

    trainer: str
    recipe: str
    shots: int
    base: Estimate
    new: Estimate
    harmonic: Estimate
    seeds: tuple[int, ...]
    cost: Cost


@dataclass(frozen=True)
class Block:
    """Rows that may be compared: the same data set, backbone and weights."""

    dataset: str
    backbone: str
    weights: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Report:
    """All blocks, the averages last; the files in no cell; remarks on the averages."""

    blocks: tuple[Block, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def base_to_new(runs: Iterable[Run], left_out: Iterable[LeftOut] = ()) -> Report:
    """Pairs the runs and averages them over seeds, and over data sets where there are several.

    Args:
        runs: in any order; runs on all classes have no place here and are counted in a note.
        left_out: files that could not be read, to be listed with those that have no partner.
    """
    runs = list(runs)
    halves = [run for run in runs if run.subset != "all"]
    pairs, unpaired = pair_runs(halves)
    averages, notes = average_over_datasets(pairs)
    if len(halves) < len(runs):
        notes.append(f"{len(runs) - len(halves)} result(s) on all classes are not in this table.")
    return Report(
        blocks=(*make_blocks(pairs), *make_blocks(averages)),
        left_out=tuple(sorted([*left_out, *unpaired])),
        notes=tuple(notes),
    )


def harmonic_mean(base: float, new: float) -> float:
    """2BN / (B + N), and 0 where both are 0."""
    return 2 * base * new / (base + new) if base + new > 0 else 0.0


def pair_runs(runs: Iterable[Run]) -> tuple[list[Pair], list[LeftOut]]:
    """Joins base and new of the same trainer, recipe, data set, backbone, weights, shots, seed.

    A cell with two results is ambiguous: neither is chosen, and the other half goes with it.
    """
    cells: dict[tuple, dict[str, list[Run]]] = defaultdict(lambda: {"base": [], "new": []})
    left_out = []
    for run in sorted(runs, key=lambda run: run.path):
        if run.split == "test":
            cells[_identity(run)][run.subset].append(run)
        else:
            left_out.append(LeftOut(run.path, f"split must be test; got {run.split!r}"))
    pairs = []
    for identity, cell in sorted(cells.items()):
        if len(cell["base"]) == len(cell["new"]) == 1:
            base, new = cell["base"][0], cell["new"][0]
            # The base run is the one that trained.
            parameters = (base.trained_parameters, base.trained_parameters)
            cost = Cost(parameters, base.step_sec, base.peak_memory_bytes)
            pairs.append(Pair(*identity, base.accuracy, new.accuracy, cost))
        else:
            left_out += _explain(cell)
    return pairs, left_out


def _identity(run: Run) -> tuple:
    # In the order of Pair's first fields.
    return (
        run.trainer,
        run.recipe,
        run.dataset,
        run.backbone,
        run.weights,
        run.shots,
        run.seed,
    )


def _explain(cell: dict[str, list[Run]]) -> Iterable[LeftOut]:
    for subset, other in (("base", "new"), ("new", "base")):
        for run in cell[subset]:
            twins = [twin.path for twin in cell[subset] if twin is not run]
            if twins:
                reason = f"duplicate: the same {subset} cell as {', '.join(twins)}; keep one"
            elif cell[other]:
                reason = f"its {other} half is ambiguous ({len(cell[other])} results)"
            else:
                reason = f"{subset} without {other}: no {other} result with the same settings"
            yield LeftOut(run.path, reason)


def make_blocks(pairs: Iterable[Pair]) -> list[Block]:
    """One block for each data set, backbone and weights, sorted by these names."""
    groups: dict[tuple[str, str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.dataset, pair.backbone, pair.weights].append(pair)
    return [Block(*name, rows=_rows(groups[name])) for name in sorted(groups)]


def _rows(pairs: Iterable[Pair]) -> tuple[Row, ...]:
    groups: dict[tuple[str, str, int], list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.method].append(pair)
    rows = [summarise(sorted(group, key=lambda pair: pair.seed)) for group in groups.values()]
    return tuple(sorted(rows, key=_row_order))


def _row_order(row: Row) -> tuple:
    return *trainer_order(row.trainer), row.shots, row.recipe


def trainer_order(name: str) -> tuple[int, str, str]:
    """A key to sort by: zero-shot first, then CoOp, then the others by name."""
    trainer = name.split(" ")[0]
    rank = 0 if trainer.startswith("Zeroshot") else 1 if trainer == "CoOp" else 2
    return rank, name.lower(), name


def summarise(pairs: Sequence[Pair]) -> Row:
    """Averages the seeds of one method on one data set (at least one pair)."""
    base = [pair.base for pair in pairs]
    new = [pair.new for pair in pairs]
    harmonic = [harmonic_mean(*values) for values in zip(base, new, strict=True)]
    base_mean, new_mean = float(np.mean(base)), float(np.mean(new))
    return Row(
        *pairs[0].method,
        base=Estimate(base_mean, float(np.std(base))),
        new=Estimate(new_mean, float(np.std(new))),
        harmonic=Estimate(harmonic_mean(base_mean, new_mean), float(np.std(harmonic))),
        seeds=tuple(pair.seed for pair in pairs),
        cost=_joint_cost(pairs),
    )


def _joint_cost(pairs: Iterable[Pair]) -> Cost:
    costs = [pair.cost for pair in pairs]
    counts = [count for cost in costs for count in cost.parameters]
    steps = [cost.step_sec for cost in costs if cost.step_sec is not None]
    return Cost(
        parameters=(min(counts), max(counts)),
        step_sec=float(np.mean(steps)) if steps else None,
        memory_bytes=max(cost.memory_bytes for cost in costs),
    )


def average_over_datasets(pairs: Iterable[Pair]) -> tuple[list[Pair], list[str]]:
    """Averages each method over the data sets of the same backbone and weights, seed by seed.

    Only like is averaged with like: a method is averaged if it has results on every data set, and
    over the seeds that it has on every one of them.

    Returns:
        The averages, and a note for each method or seed that is not in them.
    """
    groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.backbone, pair.weights].append(pair)
    averages, notes = [], []
    for _, group in sorted(groups.items()):
        datasets = sorted({pair.dataset for pair in group})
        if len(datasets) < 2:
            continue
        for method in sorted({pair.method for pair in group}):
            own = [pair for pair in group if pair.method == method]
            found, note = _average_method(own, datasets)
            averages += found
            notes += note
    return averages, notes


def _average_method(pairs: list[Pair], datasets: list[str]) -> tuple[list[Pair], list[str]]:
    """The average for each seed that every data set has; a note if any seed lacks one."""
    by_seed: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_seed[pair.seed].append(pair)
    averages, lacking = [], []
    for seed, group in sorted(by_seed.items()):
        absent = sorted(set(datasets) - {pair.dataset for pair in group})
        if absent:
            # An average over fewer data sets would look like its neighbours' and is not.
            lacking.append(f"seed {seed} has no result on {', '.join(absent)}")
        else:
            averages.append(_average(group))
    if not lacking:
        return averages, []
    seeds = ", ".join(str(pair.seed) for pair in averages)
    used = f"is averaged over seed(s) {seeds} only" if averages else "is not in the average"
    trainer, recipe, shots = pairs[0].method
    return averages, [f"{trainer} ({recipe}, {shots} shots) {used}: {'; '.join(lacking)}."]


def _average(pairs: Sequence[Pair]) -> Pair:
    return replace(
        pairs[0],
        dataset=f"Average over {len(pairs)} data sets",
        base=float(np.mean([pair.base for pair in pairs])),
        new=float(np.mean([pair.new for pair in pairs])),
        cost=_joint_cost(pairs),
    )
