"""Averages of base-to-new results over data sets: only like is averaged with like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from reports.layout.labels import labels
from reports.tables.averages import note_on_average, title_of
from reports.tables.base_to_new_pairs import Pair
from reports.tables.estimates import Cost


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
