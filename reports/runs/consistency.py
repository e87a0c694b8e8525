"""What must be equal before numbers may be compared, and what to say where it is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from reports.runs.run import LeftOut, Method, Run

UNKNOWN = "unknown"  # of PROTOCOL.CHOSEN_ON
MANY_CELLS = 4  # more are counted
Place = TypeVar("Place", bound=Hashable)


def the_same(runs: Sequence[Run]) -> Run | None:
    """The run, where there is one, or one of several that are the very same result.

    Two protocols may share a training and its test. None where results differ: neither is chosen.
    """
    facts = {
        (run.method, run.accuracy, run.shot_list, run.trained_on, run.weights, run.logits)
        for run in runs
    }
    return runs[0] if len(facts) == 1 else None


def duplicates(runs: Sequence[Run]) -> list[LeftOut]:
    """The reason why none of `runs`, which are for one cell and seed, is chosen."""
    others = {run.path: [x.path for x in runs if x is not run] for run in runs}
    return [
        LeftOut(path, f"duplicate: the same cell as {', '.join(paths)}; keep one")
        for path, paths in others.items()
    ]


def one_each(groups: Mapping[Place, Sequence[Run]]) -> tuple[dict[Place, Run], list[LeftOut]]:
    """The run of each place that has one, see `the_same`, and the runs of those that have several.

    Args:
        groups: the runs for each place: a cell and a seed, say.
    """
    chosen, left = {}, []
    for place, runs in groups.items():
        run = the_same(runs)
        if run:
            chosen[place] = run
        else:
            left += duplicates(runs)
    return chosen, left


def notes_on_commits(methods: Iterable[Method]) -> list[str]:
    """One note for each set of commits that results of trainers come from, if it has several."""
    commits: dict[str, set[str]] = defaultdict(set)
    for method in methods:
        commits[method.trainer].add(method.commit or "unknown")
    trainers: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for trainer, found in sorted(commits.items()):
        trainers[tuple(sorted(found))].append(trainer)
    return [
        f"{', '.join(names)}: results of {len(found)} commits ({', '.join(found)}) stand in rows "
        "of their own; --any-commit joins them."
        for found, names in trainers.items()
        if len(found) > 1
    ]


def notes_on_shots(runs: Iterable[Run]) -> list[str]:
    """One note for each group of trainers that were trained on different images of a cell."""
    lists: dict[tuple, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for run in runs:
        if run.step_sec is not None and run.shot_list:
            key = run.dataset, run.subset, run.shots, run.seed
            lists[key][run.shot_list].add(run.trainer)
    cells: dict[str, list[str]] = defaultdict(list)
    for (dataset, subset, shots, seed), found in sorted(lists.items()):
        if len(found) > 1:
            groups = sorted(", ".join(sorted(trainers)) for trainers in found.values())
            cell = f"{dataset}, {subset} classes, {shots} shots, seed {seed}"
            cells[" against ".join(groups)].append(cell)
    return [
        f"Trained on different images: {groups}: {'; '.join(found[:MANY_CELLS])}"
        + (f"; and {len(found) - MANY_CELLS} more cells." if len(found) > MANY_CELLS else ".")
        for groups, found in cells.items()
    ]


def notes_on_selection(runs: Iterable[Run]) -> list[str]:
    """On which images constants were chosen, as recipes say, and which follow the data set.

    Nothing where no recipe says anything.
    """
    said: dict[str, set[str]] = defaultdict(set)
    recipes: dict[tuple, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    following: set[str] = set()
    for run in runs:
        said[run.chosen_on].add(run.trainer)
        following |= {run.trainer} if run.per_data_set else set()
        # Recipes of one kind of training: a backbone, and base classes, or all, or elsewhere.
        elsewhere = run.trained_on not in (None, (run.dataset, run.subset), (run.dataset, "base"))
        half = "base" if run.subset == "new" else run.subset
        place = run.trained_on if elsewhere else half
        recipes[run.trainer, run.shots, run.backbone, place][run.dataset].add(run.recipe)
    for (trainer, *_), by_set in recipes.items():
        one_each_set = all(len(found) == 1 for found in by_set.values())
        if one_each_set and len(set().union(*by_set.values())) > 1:
            following.add(trainer)
    if set(said) <= {UNKNOWN} and not following:
        return []
    parts = [f"{kind}: {', '.join(sorted(names))}" for kind, names in sorted(said.items())]
    note = f"Constants were chosen on, as recipes say: {'; '.join(parts)}."
    if following:
        note += f" They follow the data set (not strict): {', '.join(sorted(following))}."
    return [note]


def notes_on_task_oracles(runs: Iterable[Run]) -> list[str]:
    """Which methods are told whether an image is of a base or of a new class."""
    names = sorted({run.trainer for run in runs if run.uses_task_oracle})
    if not names:
        return []
    return [
        f"Task oracle: {', '.join(names)} have another predictor for base classes than for new "
        "ones, so that the usual accuracies tell them which half an image is of. With the names of "
        "all classes at once (joint) they have one rule for both."
    ]


def join_unrecorded(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """Puts runs that do not say their weights (old logs) beside those of the same backbone.

    Only where these have one and the same weights; rows stay apart, as their trainers' names do.

    Returns:
        All runs, and a note if any was moved.
    """
    runs = list(runs)
    weights: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        weights[run.backbone] |= {run.weights} - {""}
    joined = [
        replace(run, weights=next(iter(weights[run.backbone])))
        if run.weights == "" and len(weights[run.backbone]) == 1
        else run
        for run in runs
    ]
    names = sorted({old.trainer for old, new in zip(runs, joined, strict=True) if old != new})
    note = f"{', '.join(names)}: weights not recorded, taken for those of the same backbone's runs."
    return joined, [note] if names else []
