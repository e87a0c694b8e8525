"""Reads result files: one `result.json` on disk becomes one checked, frozen `Run`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

SCHEMA = 1
SUBSETS = ("base", "new", "all")
RESULT_NAME = "result.json"


@dataclass(frozen=True)
class Run:
    """One evaluation, as its result file tells it (only what a report needs).

    Attributes:
        path: the file, relative to the folder that was searched; names the run in messages.
        weights: SHA-256 of the backbone's weights.
        subset: the classes it saw: base, new or all.
        split: the images it was evaluated on, normally test.
        trained_on: data set and classes of the training; None for zero-shot, or if not known.
        accuracy: in percent, 0 to 100.
        step_sec: seconds of an optimisation step; None where nothing was trained.
        peak_memory_bytes: of the process, or of the GPU.
    """

    path: str
    trainer: str
    recipe: str
    dataset: str
    backbone: str
    weights: str
    shots: int
    seed: int
    subset: str
    split: str
    accuracy: float
    trained_parameters: int
    step_sec: float | None
    peak_memory_bytes: int
    trained_on: tuple[str, str] | None = None


@dataclass(frozen=True, order=True)
class LeftOut:
    """A result file that is in no cell of a report, and why."""

    path: str
    reason: str


def collect_runs(folder: Path) -> tuple[list[Run], list[LeftOut]]:
    """Reads every `result.json` below `folder`, in the order of their paths.

    Returns:
        The valid runs, and the files that could not be used with the reason for each.

    Raises:
        FileNotFoundError: `folder` is no folder, or there is no result file in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}. Give the folder that the runs wrote into.")
    runs, left_out = [], []
    for path in sorted(folder.rglob(RESULT_NAME)):
        name = path.relative_to(folder).as_posix()
        try:
            runs.append(read_run(path, name=name))
        except (OSError, ValueError) as error:
            left_out.append(LeftOut(name, str(error)))
    if not runs and not left_out:
        raise FileNotFoundError(
            f"No {RESULT_NAME} in {folder} or below it. Each finished run writes one; "
            "give the folder that the runs wrote into."
        )
    return runs, left_out


def read_run(path: Path, *, name: str | None = None) -> Run:
    """Reads and checks one result file; `name` is what messages call it (default: the path).

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, has another schema, or a field is missing or wrong.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not a JSON file ({error})") from error
    if not isinstance(data, dict):
        raise ValueError(f"must hold a JSON object; got {type(data).__name__}")
    if data.get("schema") != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}; got {data.get('schema')!r}")
    return Run(
        path=str(path) if name is None else name,
        trainer=_field(data, "trainer", str),
        recipe=_field(data, "recipe", str),
        dataset=_field(data, "dataset", str),
        backbone=_field(data, "backbone", str),
        weights=_field(data, "weights_sha256", str),
        shots=_field(data, "shots", int),
        seed=_field(data, "seed", int),
        subset=_subset(data),
        split=_field(data, "split", str),
        accuracy=_accuracy(data),
        trained_parameters=_field(data, "trained_parameters", int),
        step_sec=_seconds(data),
        peak_memory_bytes=_field(data, "peak_memory_bytes", int),
        trained_on=_trained_on(data),
    )


def _field(data: dict, name: str, kind: type):
    if name not in data:
        raise ValueError(f"{name} is missing")
    value = data[name]
    # bool is a subclass of int, but `true` is no seed.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} must be of type {kind.__name__}; got {value!r}")
    return value


def _subset(data: dict) -> str:
    subset = _field(data, "subset", str)
    if subset not in SUBSETS:
        raise ValueError(f"subset must be one of {', '.join(SUBSETS)}; got {subset!r}")
    return subset


def _accuracy(data: dict) -> float:
    value = _field(data, "metrics", dict).get("accuracy")
    if not _is_finite(value) or not 0 <= value <= 100:
        raise ValueError(f"metrics.accuracy must be a number from 0 to 100; got {value!r}")
    return float(value)


def _seconds(data: dict) -> float | None:
    value = data.get("step_sec")
    if value is None:  # an evaluation, or a trainer that does not measure it
        return None
    if not _is_finite(value) or value < 0:
        raise ValueError(f"step_sec must be a number of seconds; got {value!r}")
    return float(value)


def _is_finite(value: object) -> bool:
    # Python's JSON reader takes NaN and Infinity; a table must not.
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _trained_on(data: dict) -> tuple[str, str] | None:
    value = data.get("trained_on")
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("subset") not in SUBSETS:
        raise ValueError(f"trained_on must hold a dataset and a subset; got {value!r}")
    return _field(value, "dataset", str), value["subset"]
