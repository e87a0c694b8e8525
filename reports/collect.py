"""Reads result files: one `result.json` on disk becomes one checked, frozen `Run`."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SCHEMA = 1
SUBSETS = ("base", "new", "all")
LARGEST = 2**53  # an integer that a float holds
RESULT_NAME = "result.json"
# Keys of the config that say where, how fast, or what a column of the tables says already.
NOT_SETTINGS = (
    "VERSION", "OUTPUT_DIR", "RESUME", "SEED", "VERBOSE", "USE_CUDA", "DATASET.ROOT",
    "DATASET.NAME", "DATASET.SUBSAMPLE_CLASSES", "DATASET.NUM_SHOTS", "DATASET.FOLDER",
    "DATALOADER.NUM_WORKERS", "DATALOADER.TEST", "TRAIN.PRINT_FREQ", "TRAIN.CHECKPOINT_FREQ",
    "TEST.PER_CLASS_RESULT", "TEST.COMPUTE_CMAT", "TEST.SPLIT", "FEATURES.STORE",
    "MODEL.BACKBONE.NAME", "TRAINER.NAME",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Method:
    """What is one row of a table: results of two methods are never averaged.

    Attributes:
        settings: the merged config, as sorted (key, value) pairs, but for NOT_SETTINGS.
        commit: of the code, abbreviated; with a plus if there were changes; "" if not known.
    """

    trainer: str
    recipe: str = ""
    shots: int = 0
    settings: tuple[tuple[str, str], ...] = ()
    commit: str = ""


@dataclass(frozen=True)
class Run:
    """One evaluation, as its result file tells it (only what a report needs).

    Attributes:
        path: the file, relative to the folder that was searched; names the run in messages.
        weights: SHA-256 of the backbone's weights.
        subset: the classes it saw: base, new or all.
        split: the images it was evaluated on, normally test.
        accuracy: in percent, 0 to 100.
        trained_parameters: how many; 0 for zero-shot, None where the file does not say.
        step_sec: seconds of an optimisation step; None where nothing was trained.
        train_sec: seconds of the whole training, or next to nothing.
        peak_memory_bytes: of the process, or of the GPU.
        trained_on: data set and classes of the training; None for zero-shot, or if not known.
        settings, commit: see `Method`.
        shot_list: checksum of the training images.
        device: name of the GPU, or CPU and threads.
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
    trained_parameters: int | None
    step_sec: float | None = None
    peak_memory_bytes: int | None = None
    trained_on: tuple[str, str] | None = None
    settings: tuple[tuple[str, str], ...] = ()
    commit: str = ""
    shot_list: str = ""
    train_sec: float | None = None
    device: str = ""

    @cached_property
    def method(self) -> Method:
        """The row that it belongs to. The number of shots means nothing where nothing is tuned."""
        shots = 0 if self.is_zero_shot else self.shots
        return Method(self.trainer, self.recipe, shots, self.settings, self.commit)

    @property
    def is_zero_shot(self) -> bool:
        """Whether nothing was trained."""
        return self.trained_parameters == 0


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
    for path in _result_files(folder):
        name = path.relative_to(folder).as_posix()
        shown = name.encode("utf-8", "backslashreplace").decode()
        try:
            if shown != name:
                raise ValueError("its path is not valid UTF-8; rename it")
            runs.append(read_run(path, name=name))
        except (OSError, ValueError) as error:
            left_out.append(LeftOut(shown, str(error)))
    if not runs and not left_out:
        raise FileNotFoundError(
            f"No {RESULT_NAME} in {folder} or below it. Each finished run writes one; "
            "give the folder that the runs wrote into."
        )
    return runs, left_out


def _result_files(folder: Path) -> list[Path]:
    """Also behind links to folders, each folder once."""
    found, visited = [], set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders.sort()
        if RESULT_NAME in (*files, *folders):
            found.append(Path(place, RESULT_NAME))
    return sorted(found)


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
    _check_counts(data)
    return Run(
        path=str(path) if name is None else name,
        trainer=_field(data, "trainer", str),
        recipe=_field(data, "recipe", str),
        dataset=_field(data, "dataset", str),
        backbone=_field(data, "backbone", str),
        weights=_weights(data),
        shots=_field(data, "shots", int),
        seed=_field(data, "seed", int),
        subset=_subset(data),
        split=_field(data, "split", str),
        accuracy=_accuracy(data),
        trained_parameters=_count(data, "trained_parameters"),
        step_sec=_seconds(data, "step_sec"),
        peak_memory_bytes=_count(data, "peak_memory_bytes"),
        trained_on=_trained_on(data),
        settings=_settings(data),
        commit=_commit(data),
        shot_list=_text(data, "shot_list_sha256"),
        train_sec=_seconds(_section(data, "seconds"), "train"),
        device=_text(data, "device"),
    )


def _field(data: dict, name: str, kind: type):
    if name not in data:
        raise ValueError(f"{name} is missing")
    value = data[name]
    # bool is a subclass of int, but `true` is no seed.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} must be of type {kind.__name__}; got {value!r}")
    if kind is int and abs(value) > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST}; it has {len(str(value))} digits")
    if kind is str and value != value.encode("utf-8", "ignore").decode():
        raise ValueError(f"{name} must be text in UTF-8; got {value!r}")
    return value


def _weights(data: dict) -> str:
    if "weights_sha256" not in data:
        raise ValueError("weights_sha256 is missing")
    return _text(data, "weights_sha256")


def _subset(data: dict) -> str:
    subset = _field(data, "subset", str)
    if subset not in SUBSETS:
        raise ValueError(f"subset must be one of {', '.join(SUBSETS)}; got {subset!r}")
    return subset


def _check_counts(data: dict) -> None:
    for entry in _list(data, "per_class"):
        if not isinstance(entry, dict):
            raise ValueError(f"per_class must hold objects; got {entry!r}")
        _field(entry, "name", str)
        for name in ("label", "total", "correct"):
            _field(entry, name, int)
    if not all(isinstance(word, str) for word in _list(data, "command")):
        raise ValueError(f"command must hold words; got {data['command']!r}")
    known = {entry["label"] for entry in _list(data, "per_class")}
    for entry in _list(data, "confused"):
        if not (_are_counts(entry) and len(entry) == 3 and {*entry[:2]} <= known):
            raise ValueError(
                f"confused must hold [label, prediction, images] of known labels; got {entry!r}"
            )


def _are_counts(value: object) -> bool:
    return isinstance(value, list) and all(type(x) is int and 0 <= x <= LARGEST for x in value)


def _list(data: dict, name: str) -> list:
    return [] if data.get(name) is None else _field(data, name, list)


def _accuracy(data: dict) -> float:
    metrics = _field(data, "metrics", dict)
    for name, other in metrics.items():
        if name != "accuracy" and not _is_finite(other):
            raise ValueError(f"metrics.{name} must be a number; got {other!r}")
    value = metrics.get("accuracy")
    if not _is_finite(value) or not 0 <= value <= 100:
        raise ValueError(f"metrics.accuracy must be a number from 0 to 100; got {value!r}")
    return float(value)


def _count(data: dict, name: str) -> int | None:
    if data.get(name) is None:
        return None
    value = _field(data, name, int)
    if value < 0:
        raise ValueError(f"{name} must be 0 or more; got {value}")
    return value


def _seconds(data: dict, name: str) -> float | None:
    value = data.get(name)
    if value is None:  # an evaluation, or a trainer that does not measure it
        return None
    if not _is_finite(value) or value < 0:
        raise ValueError(f"{name} must be a number of seconds; got {value!r}")
    return float(value)


def _text(data: dict, name: str) -> str:
    return "" if data.get(name) is None else _field(data, name, str)


def _section(data: dict, name: str) -> dict:
    return {} if data.get(name) is None else _field(data, name, dict)


def _settings(data: dict) -> tuple[tuple[str, str], ...]:
    flat = flatten(_section(data, "config"))
    return tuple(
        sorted(
            (key, str(value))
            for key, value in flat.items()
            if not any(key == name or key.startswith(f"{name}.") for name in NOT_SETTINGS)
        )
    )


def flatten(tree: dict, prefix: str = "") -> dict:
    """{"A": {"B": 1}} to {"A.B": 1}."""
    flat = {}
    for key, value in tree.items():
        flat |= (
            flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat


def _commit(data: dict) -> str:
    git = _section(data, "git")
    commit = git.get("commit")
    if commit is None:
        return ""
    return _field(git, "commit", str)[:10] + ("+" if git.get("dirty") else "")


def _is_finite(value: object) -> bool:
    # Python's JSON reader takes NaN and Infinity; a table must not.
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) <= LARGEST and math.isfinite(value)


def _trained_on(data: dict) -> tuple[str, str] | None:
    value = data.get("trained_on")
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("subset") not in SUBSETS:
        raise ValueError(f"trained_on must hold a dataset and a subset; got {value!r}")
    return _field(value, "dataset", str), value["subset"]
