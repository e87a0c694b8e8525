"""Which base result belongs to which new one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reports.layout.labels import labels
from reports.layout.rows import rows_of
from reports.runs.run import LeftOut, Method, Run
from reports.tables.estimates import Cost
from reports.tables.harmonic_mean import harmonic_mean

MANY_PLACES = 6  # more are counted


@dataclass(frozen=True)
class Pair:
    """Base and new accuracy (percent) of one trained model, or their averages over data sets.

    Attributes:
        dataset: the data set, or the words that name the average.
        harmonic: of base and new; for averages the mean of the data sets' harmonic means.
        cost: of training; over the data sets, for averages.
        recipe: of the training; "" for averages over data sets with several.
        paths: of the base and of the new result; empty for averages.
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
    recipe: str = ""
    paths: tuple[str, ...] = ()


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
            facts = harmonic, Cost.of(base), base.recipe, (base.path, new.path)
            pairs.append(Pair(*identity, base.accuracy, new.accuracy, *facts))
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
                    f"{subset} without {other}: no {other} result on {run.dataset} with the same "
                    f"settings, weights and commit ({run.commit or 'unknown'})"
                )
            yield LeftOut(run.path, reason)


def join_recipes(pairs: Sequence[Pair]) -> tuple[list[Pair], list[str]]:
    """The pairs with the methods of their rows, and which recipes a row of several has where."""
    rows = rows_of(((pair.dataset, pair.backbone, pair.weights), pair.method) for pair in pairs)
    joined = [replace(pair, method=rows[pair.method]) for pair in pairs]
    found: dict[Method, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for pair in joined:
        if not pair.method.recipe:
            found[pair.method][pair.recipe].add(pair.dataset)
    names = labels(pair.method for pair in joined)
    notes = []
    for row, recipes in found.items():
        if len(recipes) > 1:
            ordered = sorted(recipes.items(), key=lambda item: (len(item[1]), item[0]))
            places = {recipe: sorted(datasets) for recipe, datasets in ordered}
            notes.append(note_on_recipes(names[row].text, places))
    return joined, notes


def note_on_recipes(row: str, places: Mapping[str, Collection[str]]) -> str:
    """Which recipe a row is of where: {recipe: data sets, or numbers of shots}."""
    parts = [
        f"{', '.join(found) if len(found) <= MANY_PLACES else f'{len(found)} others'}: "
        f"recipe {recipe or 'not recorded'}"
        for recipe, found in places.items()
    ]
    return f"{row}: {'; '.join(parts)}."
