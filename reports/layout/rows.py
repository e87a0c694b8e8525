"""Which methods share a row: published recipes follow the data set or the number of shots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import replace

from reports.runs.run import Method


def rows_of(
    entries: Iterable[tuple[Hashable, Method]], *, over_shots: bool = False
) -> dict[Method, Method]:
    """The row of each method: its own, or one for all recipes of a trainer, shots and commit.

    Recipes are joined if no two of them meet in one place, and each has the same settings wherever
    it comes up: a trainer's recipe then is what its authors chose for the place.

    Args:
        entries: where each method has results: (place, method).
        over_shots: rows go over the numbers of shots, which are part of the place then.
    """
    found: dict[Method, dict[Hashable, set[Method]]] = defaultdict(lambda: defaultdict(set))
    for place, method in entries:
        row = replace(method, recipe="", settings=(), shots=0 if over_shots else method.shots)
        found[row][place, method.shots if over_shots else None].add(method)
    rows = {}
    for row, by_place in found.items():
        methods = set().union(*by_place.values())
        settings = {(method.recipe, method.settings) for method in methods}
        alone = all(len(group) == 1 for group in by_place.values())
        is_one = alone and len(settings) == len({recipe for recipe, _ in settings})
        if len(settings) == 1:
            ((recipe, values),) = settings
            row = replace(row, recipe=recipe, settings=values)
        for method in methods:
            rows[method] = row if is_one else replace(method, shots=row.shots)
    return rows
