"""Base-to-new statistics: which base result belongs to which new one, and their averages.

Papers form the harmonic mean of an average in two ways, and a row has both: that of the averaged
base and new accuracy, which most published tables hold, and the mean of the harmonic means of
seeds (and data sets). The spread is that of the seeds' harmonic means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports.collect import LeftOut, Method, Run
from reports.consistency import notes_on_commits, notes_on_shots
from reports.labels import trainer_order

AVERAGE = "Average"


@dataclass(frozen=True)
class Cost:
    """What training took.

    Attributes:
        parameters: (smallest, largest) number of trained parameters; None if not known.
        step_sec: mean seconds of an optimisation step; None where nothing was trained.
        memory_bytes: highest memory use; None if not known.
        train_sec: mean seconds of a training.
        devices: where; seconds and memory of several are not averaged, but None.
    """

    parameters: tuple[int, int] | None
    step_sec: float | None = None
    memory_bytes: int | None = None
    train_sec: float | None = None
    devices: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: Run) -> Cost:
        """Of one training."""
        count = run.trained_parameters
        parameters = None if count is None else (count, count)
        seconds = None if run.is_zero_shot else run.train_sec
        devices = () if run.is_zero_shot else (run.device or "not recorded",)
        return cls(parameters, run.step_sec, run.peak_memory_bytes, seconds, devices)

    @classmethod
    def joint(cls, costs: Iterable[Cost]) -> Cost:
        """Of several trainings: extremes of parameters and memory, means of seconds."""
        costs = list(costs)
        counts = [count for cost in costs for count in cost.parameters or ()]
        devices = tuple(sorted({device for cost in costs for device in cost.devices}))
        parameters = (min(counts), max(counts)) if counts else None
        if len(devices) > 1:
            return cls(parameters, devices=devices)
        memory = [cost.memory_bytes for cost in costs if cost.memory_bytes is not None]
        return cls(
            parameters=parameters,
            step_sec=_mean([cost.step_sec for cost in costs]),
            memory_bytes=max(memory, default=None),
            train_sec=_mean([cost.train_sec for cost in costs]),
            devices=devices,
        )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


@dataclass(frozen=True)
class Pair:
    """Base and new accuracy (percent) of one trained model, or their averages over data sets.

    Attributes:
        dataset: the data set, or the words that name the average.
        harmonic: of base and new; for averages the mean of the data sets' harmonic means.
        cost: of training; over the data sets, for averages.
    """

    method: Method
    dataset: str
    backbone: str
    weights: str
    seed: int
    base: float
    new: float
    harmonic: float
    cost: Cost


@dataclass(frozen=True)
class Estimate:
    """A value over seeds and its population standard deviation, both in percent."""

    value: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Of one or more values."""
        return cls(float(np.mean(values)), float(np.std(values)))


@dataclass(frozen=True)
class Row:
    """One method in one block.

    Attributes:
        harmonic: of the averaged base and new.
        mean_harmonic: mean of the harmonic means.
        cost: over the seeds.
    """

    method: Method
    base: Estimate
    new: Estimate
    harmonic: Estimate
    mean_harmonic: Estimate
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
    """All blocks, the averages last; the files in no cell; remarks; what the blocks are made of."""

    blocks: tuple[Block, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    pairs: tuple[Pair, ...] = ()


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
    notes += notes_on_commits(pair.method for pair in pairs) + notes_on_shots(halves)
    if len(halves) < len(runs):
        notes.append(f"{len(runs) - len(halves)} result(s) on all classes are not in this table.")
    return Report(
        blocks=(*make_blocks(pairs), *make_blocks(averages)),
        left_out=tuple(sorted([*left_out, *unpaired])),
        notes=tuple(notes),
        pairs=tuple(pairs),
    )


def harmonic_mean(base: float, new: float) -> float:
    """2BN / (B + N), and 0 where both are 0."""
    return 2 * base * new / (base + new) if base + new > 0 else 0.0


def pair_runs(runs: Iterable[Run]) -> tuple[list[Pair], list[LeftOut]]:
    """Joins base and new of the same method, data set, backbone, weights and seed.

    A cell with two results is ambiguous: neither is chosen, and the other half goes with it.
    """
    cells: dict[tuple, dict[str, list[Run]]] = defaultdict(lambda: {"base": [], "new": []})
    left_out = []
    for run in sorted(runs, key=lambda run: run.path):
        if run.split != "test":
            left_out.append(LeftOut(run.path, f"split must be test; got {run.split!r}"))
        elif run.trained_on not in (None, (run.dataset, "base")):
            source = "{}, {} classes".format(*run.trained_on)
            left_out.append(LeftOut(run.path, f"trained on {source}, not on its own base classes"))
        else:
            cells[_identity(run)][run.subset].append(run)
    pairs = []
    for identity, cell in sorted(cells.items()):
        if len(cell["base"]) == len(cell["new"]) == 1:
            base, new = cell["base"][0], cell["new"][0]
            harmonic = harmonic_mean(base.accuracy, new.accuracy)
            # The base run is the one that trained.
            cost = Cost.of(base)
            pairs.append(Pair(*identity, base.accuracy, new.accuracy, harmonic, cost))
        else:
            left_out += _explain(cell)
    return pairs, left_out


def _identity(run: Run) -> tuple:
    # In the order of Pair's first fields.
    return run.method, run.dataset, run.backbone, run.weights, run.seed


def _explain(cell: dict[str, list[Run]]) -> Iterable[LeftOut]:
    for subset, other in (("base", "new"), ("new", "base")):
        for run in cell[subset]:
            twins = [twin.path for twin in cell[subset] if twin is not run]
            if twins:
                reason = f"duplicate: the same {subset} cell as {', '.join(twins)}; keep one"
            elif cell[other]:
                reason = f"its {other} half is ambiguous ({len(cell[other])} results)"
            else:
                reason = (
                    f"{subset} without {other}: no {other} result with the same settings, weights "
                    f"and commit ({run.commit or 'unknown'})"
                )
            yield LeftOut(run.path, reason)


def make_blocks(pairs: Iterable[Pair]) -> list[Block]:
    """One block for each data set, backbone and weights, sorted by these names."""
    groups: dict[tuple[str, str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.dataset, pair.backbone, pair.weights].append(pair)
    return [Block(*name, rows=_rows(groups[name])) for name in sorted(groups)]


def _rows(pairs: Iterable[Pair]) -> tuple[Row, ...]:
    groups: dict[Method, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.method].append(pair)
    rows = [summarise(sorted(group, key=lambda pair: pair.seed)) for group in groups.values()]
    return tuple(sorted(rows, key=lambda row: (*trainer_order(row.method.trainer), row.method)))


def summarise(pairs: Sequence[Pair]) -> Row:
    """Averages the seeds of one method on one data set (at least one pair)."""
    base = Estimate.of([pair.base for pair in pairs])
    new = Estimate.of([pair.new for pair in pairs])
    spread = Estimate.of([harmonic_mean(pair.base, pair.new) for pair in pairs])
    return Row(
        pairs[0].method,
        base=base,
        new=new,
        harmonic=Estimate(harmonic_mean(base.value, new.value), spread.std),
        mean_harmonic=Estimate.of([pair.harmonic for pair in pairs]),
        seeds=tuple(pair.seed for pair in pairs),
        cost=Cost.joint(pair.cost for pair in pairs),
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
    method = pairs[0].method
    name = f"{method.trainer} ({method.recipe}, {method.shots} shots)"
    return averages, [f"{name} {used}: {'; '.join(lacking)}."]


def _average(pairs: Sequence[Pair]) -> Pair:
    base, new, harmonic = (
        float(np.mean([getattr(pair, name) for pair in pairs]))
        for name in ("base", "new", "harmonic")
    )
    return replace(
        pairs[0], dataset=f"{AVERAGE} over {len(pairs)} data sets",
        base=base, new=new, harmonic=harmonic, cost=Cost.joint(pair.cost for pair in pairs),
    )  # fmt: skip
