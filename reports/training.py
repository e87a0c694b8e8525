"""What runs logged over their epochs: means of the loss and its parts, accuracy of tests."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reports.collect import LeftOut, Run
from reports.consistency import duplicates, the_same
from reports.labels import labels

EPOCH_LINE = re.compile(r"^epoch \[(\d+)/\d+\] mean (.+)$")
FIGURE = re.compile(r"(\S+) (-?(?:\d+\.?\d*(?:e[+-]?\d+)?|nan|inf))(?= |$)")
CURVE = "curve.json"
LOG = "log.txt"


@dataclass(frozen=True)
class History:
    """One training.

    Attributes:
        label: of its method.
        group: data set and classes that it was trained on, backbone and weights.
        figures: {name: [(epoch, value), ...]}, epochs from 1; the last of a repeated epoch.
    """

    label: str
    group: str
    seed: int
    figures: dict[str, list[tuple[int, float]]]


def histories(folder: Path, runs: Iterable[Run]) -> tuple[list[History], list[LeftOut]]:
    """Of all runs below `folder` that trained and kept their log or curve; and their duplicates."""
    trainings = [run for run in runs if run.step_sec is not None]
    names = labels(run.method for run in trainings)
    groups: dict[tuple, list[Run]] = defaultdict(list)
    for run in trainings:
        groups[run.method, run.dataset, run.subset, run.backbone, run.weights, run.seed].append(run)
    found, left = [], []
    for twins in groups.values():
        run = the_same(twins)
        if run is None:
            left += duplicates(twins)
            continue
        place = (folder / run.path).parent
        figures = read_logs(place) | read_curve(place)
        if figures:
            group = f"{run.dataset}, {run.subset} classes ({run.backbone}, {run.weights[:8]})"
            found.append(History(names[run.method], group, run.seed, figures))
    return found, left


def logs_of(place: Path) -> list[Path]:
    """A run's logs, oldest first: log.txt, then those with a time behind the name."""
    return sorted(path for path in place.glob(f"{LOG}*") if path.is_file())


def read_logs(place: Path) -> dict[str, list[tuple[int, float]]]:
    """The epochs' means from the logs of a run; a resumed run has several logs."""
    points: dict[str, dict[int, float]] = {}
    for path in logs_of(place):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            match = EPOCH_LINE.match(line)
            if match:
                for name, value in FIGURE.findall(match[2]):
                    points.setdefault(name, {})[int(match[1])] = float(value)
    return {name: sorted(values.items()) for name, values in points.items()}


def read_curve(place: Path) -> dict[str, list[tuple[int, float]]]:
    """Test accuracies during training, where the run made them; {} where it did not."""
    figures: dict[str, list[tuple[int, float]]] = {}
    try:
        for point in json.loads((place / CURVE).read_text())["points"]:
            epoch = int(point["epoch"])
            for name in (name for name in point if name != "epoch"):
                title = f"test accuracy, {name} classes (%)"
                figures.setdefault(title, []).append((epoch, float(point[name])))
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return figures
