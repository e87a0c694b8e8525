"""What must be equal before numbers may be compared, and what to say where it is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from reports.run import LeftOut, Method, Run


def the_same(runs: Sequence[Run]) -> Run | None:
    """The run, where there is one, or one of several that are the very same result.

    Two protocols may share a training and its test. None where results differ: neither is chosen.
    """
    facts = {(run.method, run.accuracy, run.shot_list, run.trained_on, run.weights) for run in runs}
    return runs[0] if len(facts) == 1 else None


def duplicates(runs: Sequence[Run]) -> list[LeftOut]:
    """The reason why none of `runs`, which are for one cell and seed, is chosen."""
    others = {run.path: [x.path for x in runs if x is not run] for run in runs}
    return [
        LeftOut(path, f"duplicate: the same cell as {', '.join(paths)}; keep one")
        for path, paths in others.items()
    ]


def notes_on_commits(methods: Iterable[Method]) -> list[str]:
    """One note for each trainer whose results come from several commits."""
    commits: dict[str, set[str]] = defaultdict(set)
    for method in methods:
        commits[method.trainer].add(method.commit or "unknown")
    return [
        f"{trainer}: results of {len(found)} commits ({', '.join(sorted(found))}) stand in rows of "
        "their own; --any-commit joins them."
        for trainer, found in sorted(commits.items())
        if len(found) > 1
    ]


def notes_on_shots(runs: Iterable[Run]) -> list[str]:
    """One note for each cell whose methods were trained on different images of the data set."""
    lists: dict[tuple, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for run in runs:
        if run.step_sec is not None and run.shot_list:
            key = run.dataset, run.subset, run.shots, run.seed
            lists[key][run.shot_list].add(run.trainer)
    return [
        f"{dataset}, {subset} classes, {shots} shots, seed {seed}: trained on different images: "
        + " against ".join(sorted(", ".join(sorted(trainers)) for trainers in found.values()))
        + "."
        for (dataset, subset, shots, seed), found in sorted(lists.items())
        if len(found) > 1
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
