"""Averages of base-to-new results over data sets: only like is averaged with like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from reports.estimates import Cost
from reports.labels import labels
from reports.pairs import Pair

AVERAGE = "Average"
MANY_NAMES = 4  # more are counted


def title_of(count: int) -> str:
    """What an average over data sets is called."""
    return f"{AVERAGE} over {count} data sets"


def average_over_datasets(
    pairs: Iterable[Pair], namesakes: Collection[str] = ()
) -> tuple[list[Pair], list[str]]:
    """Averages each method over the data sets of the same backbone and weights, seed by seed.

    Only like is averaged with like: a method is averaged if it has results on every data set, and
    over the seeds that it has on every one of them.

    Args:
        namesakes: data sets that are in no average, since others have their name.

    Returns:
        The averages, and one note for each backbone on what is not in them.
    """
    pairs = [pair for pair in pairs if pair.dataset not in namesakes]
    names = labels(pair.method for pair in pairs)
    groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.backbone, pair.weights].append(pair)
    averages, notes = [], []
    for _, group in sorted(groups.items()):
        datasets = sorted({pair.dataset for pair in group})
        if len(datasets) < 2:
            continue
        absent: dict[str, dict[int, list[str]]] = {}
        for method in names:
            own = [pair for pair in group if pair.method == method]
            found, lacking = _average_method(own, datasets)
            averages += found
            if own:
                absent[names[method].text] = lacking
        notes += note_on_average(len(datasets), absent)
    return averages, notes


def _average_method(
    pairs: list[Pair], datasets: Sequence[str]
) -> tuple[list[Pair], dict[int, list[str]]]:
    """The average for each seed that every data set has; what each seed lacks."""
    by_seed: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_seed[pair.seed].append(pair)
    averages, absent = [], {}
    for seed, group in sorted(by_seed.items()):
        absent[seed] = sorted(set(datasets) - {pair.dataset for pair in group})
        if not absent[seed]:
            # An average over fewer data sets would look like its neighbours' and is not.
            averages.append(_average(group))
    return averages, absent


def _average(pairs: Sequence[Pair]) -> Pair:
    base, new, harmonic = (
        float(np.mean([getattr(pair, name) for pair in pairs]))
        for name in ("base", "new", "harmonic")
    )
    recipes = {pair.recipe for pair in pairs}
    return replace(
        pairs[0], dataset=title_of(len(pairs)), base=base, new=new, harmonic=harmonic,
        recipe=pairs[0].recipe if len(recipes) == 1 else "",
        cost=Cost.joint(pair.cost for pair in pairs),
    )  # fmt: skip


def note_on_average(count: int, absent: Mapping[str, Mapping[int, Sequence[str]]]) -> list[str]:
    """At most one note: that there is no average, or which rows and seeds are not in it.

    Args:
        count: how many data sets it is over.
        absent: {row: {seed: data sets on which it has no result}}.
    """
    title = title_of(count)
    used = {
        row: [seed for seed, lacking in by_seed.items() if not lacking]
        for row, by_seed in absent.items()
    }
    if not any(used.values()):
        return [f"No {title.lower()}: no row has a seed with results on all of them."]
    parts, without = [], defaultdict(list)
    for row, by_seed in absent.items():
        lacking = {seed: tuple(names) for seed, names in by_seed.items() if names}
        if used[row] and lacking:
            parts.append(f"{row} over {_seeds(used[row])} only ({_reason(lacking, count)})")
        elif lacking:
            kinds = set(lacking.values())
            same = _absence(next(iter(kinds)), count) if len(kinds) == 1 else ""
            without[same or _reason(lacking, count)].append(row)
    parts += [f"without {', '.join(rows)} ({reason})" for reason, rows in without.items()]
    return [f"{title}: {'; '.join(parts)}."] if parts else []


def _reason(lacking: Mapping[int, tuple[str, ...]], count: int) -> str:
    """What each seed lacks, said once where it is the same."""
    seeds = defaultdict(list)
    for seed, names in lacking.items():
        seeds[names].append(seed)
    return "; ".join(f"{_seeds(group)}: {_absence(names, count)}" for names, group in seeds.items())


def _absence(names: Sequence[str], count: int) -> str:
    few = len(names) <= MANY_NAMES
    return "no result on " + (", ".join(names) if few else f"{len(names)} of the {count}")


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
