"""What a run wrote down epoch by epoch: means of losses in its log, test accuracies in a curve."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import get_args

from reports.files import read_json, read_text
from reports.runs.run import LeftOut, Run
from run_files import CURVE, LOG
from run_files.curve import Curve
from run_files.kinds import Subset

EPOCH_LINE = re.compile(r"^epoch \[(\d{1,9})/\d+\] mean (.+)$")
FIGURE = re.compile(r"(\S+) (-?(?:\d+\.?\d*(?:e[+-]?\d+)?|nan|inf))(?= |$)")


def points_of(folder: Path, run: Run) -> tuple[dict[str, list[tuple[int, float]]], list[LeftOut]]:
    """From the logs of a run, of which a resumed one has several, and its curve, if it has one.

    Returns:
        {name: [(epoch, value), ...]}, and the files that could not be used.
    """
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
