"""Which results are of the same data set: users' own sets of one name, and templates of one set.

A data set's name is what all tables group by. Where one name stands for several sets, each gets in
brackets what tells it apart, so that they share no cell, no row's seeds, no pair and no average.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import PurePath

from reports.runs.benchmark_names import BENCHMARKS, place_of
from reports.runs.run import OwnData, Run

TEMPLATE, DESCRIPTIONS = "DATASET.TEMPLATE", "DATASET.DESCRIPTIONS"
DIGITS = 8  # of a hash
FIELDS = ("path", "list", "images", "classnames")


def tell_apart(runs: Sequence[Run]) -> list[Run]:
    """The runs with names of data sets that each stand for one set of images alone.

    A user's set that has the name of a benchmark is called own: published numbers are not of it.
    """
    sets: dict[str, set[OwnData | None]] = defaultdict(set)
    for run in runs:
        sets[run.dataset].add(run.own_data)
    names = {name: _names(name, found) for name, found in sets.items()}
    return [
        replace(
            run,
            dataset=names[run.dataset][run.own_data],
            recorded_dataset=run.dataset,
            trained_on=run.trained_on and (_source(run, names), run.trained_on[1]),
        )
        for run in runs
    ]


def _names(name: str, found: Collection[OwnData | None]) -> dict[OwnData | None, str]:
    """A name for each set called `name`; a benchmark keeps its own."""
    own = sorted(data for data in found if data)
    if len(own) > 1:
        texts = _differences(own)
    else:
        is_taken = None in found or place_of(name) in BENCHMARKS
        texts = dict.fromkeys(own, "own" if is_taken else "")
    return {data: f"{name} [{text}]" if (text := texts.get(data)) else name for data in found}


def _differences(found: Sequence[OwnData]) -> dict[OwnData, str]:
    """What tells sets apart, in as few words as possible; all of it if nothing less does."""
    tails = _tails({own.path for own in found})
    words = {
        own: {
            "path": tails[own.path] or "no folder",
            "list": f"list {PurePath(own.list).name}" if own.list else "no list",
            "images": own.images[:DIGITS] or "images not recorded",
            "classnames": f"names {PurePath(own.classnames).name}" if own.classnames else "",
        }
        for own in found
    }
    texts: dict[OwnData, str] = {}
    for chosen in (x for count in range(1, 5) for x in combinations(FIELDS, count)):
        texts = {own: ", ".join(filter(None, (words[own][x] for x in chosen))) for own in found}
        if len(set(texts.values())) == len(found) and all(texts.values()):
            break
    return texts


def _tails(paths: Collection[str]) -> dict[str, str]:
    """The shortest ends of paths that differ."""
    parts = {path: PurePath(path).parts for path in paths}
    tails: dict[str, str] = {}
    for count in range(1, max(map(len, parts.values()), default=0) + 1):
        tails = {path: "/".join(own[-count:]) for path, own in parts.items()}
        if len(set(tails.values())) == len(tails):
            break
    return tails or dict.fromkeys(paths, "")


def _source(run: Run, names: dict[str, dict[OwnData | None, str]]) -> str:
    """The data set that a run was trained on, by the name that tells it apart.

    A result that does not say whose images these were means those that it was tested on, if they
    have that name.
    """
    name, training = run.trained_on[0], run.own_training_data
    if name == run.dataset and _place(training) in (None, _place(run.own_data)):
        return names[name][run.own_data]
    fitting = {text for own, text in names.get(name, {}).items() if _place(own) == _place(training)}
    return fitting.pop() if len(fitting) == 1 else name


def _place(own: OwnData | None) -> tuple[str, ...] | None:
    return own and (own.path, own.list, own.images)


def settle_templates(runs: Sequence[Run]) -> list[Run]:
    """The runs, with the template among the settings where it is a method's, not its data set's.

    A template that a data set's file gives is the set's property: another set has another, and rows
    go over both. One that the command gives is a setting, unless it is the set's own. Where the
    file of a set gave several, none of them is its own.
    """
    own: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        if not run.template_chosen:
            own[run.dataset].add(run.template)
    return [
        run
        if own[run.dataset] == {run.template}
        else replace(run, settings=tuple(sorted([*run.settings, (TEMPLATE, run.template)])))
        for run in runs
    ]


def settle_descriptions(runs: Sequence[Run]) -> list[Run]:
    """The runs, with the file of sentences among the settings where a data set has several."""
    files: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        files[run.dataset] |= {run.descriptions} - {""}
    return [
        replace(
            run, settings=tuple(sorted([*run.settings, (DESCRIPTIONS, run.descriptions[:DIGITS])]))
        )
        if run.descriptions and len(files[run.dataset]) > 1
        else run
        for run in runs
    ]


def namesakes(runs: Iterable[Run]) -> set[str]:
    """The data sets whose recorded name others have: they are in no average."""
    return set().union(*_by_recorded_name(runs).values())


def notes_on_own_data(runs: Iterable[Run]) -> list[str]:
    """One note for each name that several data sets have."""
    return [
        f"{len(found)} data sets are called {name}: {', '.join(sorted(found))}. They differ in "
        "folder, list, class names or images: they share no cell and are in no average."
        for name, found in sorted(_by_recorded_name(runs).items())
    ]


def _by_recorded_name(runs: Iterable[Run]) -> dict[str, set[str]]:
    """{name: data sets} where there are several."""
    groups: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        groups[run.recorded_dataset or run.dataset].add(run.dataset)
    return {name: found for name, found in groups.items() if len(found) > 1}
