"""Trainings to draw: what each run wrote down over its epochs, by group and row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.layout.headings import headings
from reports.layout.labels import Label, labels, plural_shots, within
from reports.layout.rows import rows_of
from reports.runs.consistency import one_each
from reports.runs.epochs import points_of
from reports.runs.run import LeftOut, Method, Run


@dataclass(frozen=True)
class History:
    """One training.

    Attributes:
        label: of its method in its group.
        group: data set, classes and shots that it was trained on, backbone and weights.
        figures: {name: [(epoch, value), ...]}, epochs from 1; the last of a repeated epoch.
    """

    label: Label
    group: str
    seed: int
    figures: dict[str, list[tuple[int, float]]]


def histories(folder: Path, runs: Iterable[Run]) -> tuple[list[History], list[LeftOut]]:
    """Of all runs below `folder` that trained and kept their log or curve; and their duplicates."""
    trainings = [run for run in runs if run.step_sec is not None]
    places = [(run.dataset, run.subset, run.shots, run.backbone, run.weights) for run in trainings]
    rows = rows_of(zip(places, (run.method for run in trainings), strict=True))
    names = _names(rows, places, trainings)
    titles = dict(zip(sorted(set(places)), _titles(sorted(set(places))), strict=True))
    groups: dict[tuple, list[Run]] = defaultdict(list)
    for run, place in zip(trainings, places, strict=True):
        groups[rows[run.method], place, run.seed].append(run)
    single, left = one_each(groups)
    found = []
    for (row, place, seed), run in single.items():
        figures, unread = points_of(folder, run)
        left += unread
        if figures:
            found.append(History(names[place][row], titles[place], seed, figures))
    return found, left


def _names(
    rows: Mapping[Method, Method], places: Sequence[tuple], runs: Sequence[Run]
) -> dict[tuple, dict[Method, Label]]:
    """The labels in each place, whose figure shows no other's."""
    names = labels(rows.values())
    found: dict[tuple, set[Method]] = defaultdict(set)
    for place, run in zip(places, runs, strict=True):
        found[place].add(rows[run.method])
    return {place: within(names, methods) for place, methods in found.items()}


def _titles(places: Sequence[tuple]) -> list[str]:
    return headings(
        [
            (f"{dataset}, {subset} classes, {plural_shots(shots)}", *weights)
            for dataset, subset, shots, *weights in places
        ]
    )
