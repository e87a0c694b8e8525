"""Base-to-new statistics: rows over seeds, in blocks that may be compared.

Papers form the harmonic mean of an average in two ways, and a row has both: that of the averaged
base and new accuracy, which most published tables hold, and the mean of the harmonic means of
seeds (and data sets). The spread is that of the seeds' harmonic means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from reports.layout.labels import trainer_order
from reports.runs.consistency import notes_on_commits, notes_on_shots
from reports.runs.data_sets import namesakes
from reports.runs.run import LeftOut, Method, Run
from reports.tables.averages import AVERAGE
from reports.tables.base_to_new_averages import average_over_datasets
from reports.tables.base_to_new_pairs import Pair, join_recipes, pair_runs
from reports.tables.estimates import Cost, Estimate
from reports.tables.harmonic_mean import harmonic_mean


@dataclass(frozen=True)
class Row:
    """One method in one block.

    Attributes:
        harmonic: of the averaged base and new.
        mean_harmonic: mean of the harmonic means.
        cost: over the seeds.
        recipe: of all of it; "" if it is of several.
    """

    method: Method
    base: Estimate
    new: Estimate
    harmonic: Estimate
    mean_harmonic: Estimate
    seeds: tuple[int, ...]
    cost: Cost
    recipe: str = ""


@dataclass(frozen=True)
class Block:
    """Rows that may be compared: the same data set, backbone and weights."""

    dataset: str
    backbone: str
    weights: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Attributes:
        blocks: the averages last.
        left_out: the files in no cell.
        notes: remarks.
        pairs: what the blocks are made of.
        without: for each data set of three or more, the averages over the others.
        apart: data sets that are in no average, since others have their name.
    """

    blocks: tuple[Block, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    pairs: tuple[Pair, ...] = ()
    without: tuple[tuple[str, tuple[Block, ...]], ...] = ()
    apart: frozenset[str] = frozenset()

    def comparable(self) -> dict[tuple[str, str], list[Block]]:
        """The blocks that may be put together, one a data set, by backbone and weights."""
        groups: dict[tuple[str, str], list[Block]] = defaultdict(list)
        for block in self.blocks:
            if not block.dataset.startswith(AVERAGE) and block.dataset not in self.apart:
                groups[block.backbone, block.weights].append(block)
        return groups


def base_to_new(runs: Iterable[Run], left_out: Iterable[LeftOut] = ()) -> Report:
    """Pairs the runs and averages them over seeds, and over data sets where there are several.

    Args:
        runs: in any order; runs on all classes have no place here and are counted in a note.
        left_out: files that could not be read, to be listed with those that have no partner.
    """
    runs = list(runs)
    halves = [run for run in runs if run.subset != "all"]
    pairs, unpaired = pair_runs(halves)
    pairs, notes = join_recipes(pairs)
    apart = namesakes(runs)
    averages, more = average_over_datasets(pairs, apart)
    notes += more + notes_on_commits(pair.method for pair in pairs) + notes_on_shots(halves)
    if len(halves) < len(runs):
        notes.append(f"{len(runs) - len(halves)} result(s) on all classes are not in this table.")
    return Report(
        blocks=(*make_blocks(pairs), *make_blocks(averages)),
        left_out=tuple(sorted([*left_out, *unpaired])),
        notes=tuple(notes),
        pairs=tuple(pairs),
        without=tuple(_without_each(pairs, apart)),
        apart=frozenset(apart),
    )


def _without_each(
    pairs: Sequence[Pair], apart: Collection[str]
) -> Iterator[tuple[str, tuple[Block, ...]]]:
    for dataset in sorted({pair.dataset for pair in pairs} - set(apart)):
        others = [pair for pair in pairs if pair.dataset != dataset]
        touched = {(pair.backbone, pair.weights) for pair in pairs if pair.dataset == dataset}
        averages, _ = average_over_datasets(others, apart)
        blocks = make_blocks(averages)
        yield dataset, tuple(x for x in blocks if (x.backbone, x.weights) in touched)


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
        recipe=pairs[0].recipe,
    )
