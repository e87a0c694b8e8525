"""What runs logged over their epochs: means of the loss and its parts, accuracy of tests."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from reports.consistency import duplicates, the_same
from reports.files import read_json, read_text
from reports.headings import headings
from reports.labels import Label, labels, plural_shots, within
from reports.rows import rows_of
from reports.run import LeftOut, Method, Run
from run_files import CURVE, LOG
from run_files.curve import Curve
from run_files.kinds import Subset

EPOCH_LINE = re.compile(r"^epoch \[(\d+)/\d+\] mean (.+)$")
FIGURE = re.compile(r"(\S+) (-?(?:\d+\.?\d*(?:e[+-]?\d+)?|nan|inf))(?= |$)")


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
    found, left = [], []
    for (row, place, seed), twins in groups.items():
        run = the_same(twins)
        if run is None:
            left += duplicates(twins)
            continue
        figures, unread = _figures_of(folder, run)
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


def _figures_of(folder: Path, run: Run) -> tuple[dict[str, list[tuple[int, float]]], list[LeftOut]]:
    """From the logs of a run, of which a resumed one has several, and its curve, if it has one."""
    place = (folder / run.path).parent
    readers = [(path, read_log) for path in logs_of(place)]
    readers += [(place / CURVE, read_curve)] if (place / CURVE).exists() else []
    points: dict[str, dict[int, float]] = defaultdict(dict)
    left = []
    for path, read in readers:
        try:
            for name, values in read(path).items():
                points[name] |= values
        except (OSError, ValueError) as error:
            left.append(LeftOut(path.relative_to(folder).as_posix(), str(error)))
    return {name: sorted(values.items()) for name, values in points.items()}, left


def logs_of(place: Path) -> list[Path]:
    """A run's logs, oldest first: log.txt, then those with a time behind the name."""
    return sorted(path for path in place.glob(f"{LOG}*") if path.is_file())


def read_log(path: Path) -> dict[str, dict[int, float]]:
    """The epochs' means in a log: {name: {epoch: value}}.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no text.
    """
    points: dict[str, dict[int, float]] = defaultdict(dict)
    for line in read_text(path, errors="replace").splitlines():
        match = EPOCH_LINE.match(line)
        if match:
            for name, value in FIGURE.findall(match[2]):
                points[name][int(match[1])] = float(value)
    return points


def read_curve(path: Path) -> dict[str, dict[int, float]]:
    """Test accuracies during training: {name: {epoch: value}}.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no curve.
    """
    points: dict[str, dict[int, float]] = defaultdict(dict)
    for point in read_json(path, Curve).points:
        for name in get_args(Subset):
            if (accuracy := getattr(point, name)) is not None:
                points[f"test accuracy, {name} classes (%)"][point.epoch] = accuracy
    return points
