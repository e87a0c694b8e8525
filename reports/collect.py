"""Reads result files: one `result.json` on disk becomes one checked, frozen `Run`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from reports.data_sets import settle_templates, tell_apart
from reports.fields import (
    are_counts,
    count,
    field,
    flatten,
    is_finite,
    items,
    seconds,
    section,
    text,
)
from reports.files import read_json
from reports.run import LeftOut, OwnData, Run

SCHEMA = 1
SUBSETS = ("base", "new", "all")
RESULT_NAME = "result.json"
# Keys of the config that say where, how fast, on which data, or what a column says already.
NOT_SETTINGS = (
    "VERSION", "OUTPUT_DIR", "RESUME", "SEED", "VERBOSE", "USE_CUDA", "DATASET.ROOT",
    "DATASET.NAME", "DATASET.SUBSAMPLE_CLASSES", "DATASET.NUM_SHOTS", "DATASET.FOLDER",
    "DATASET.TEMPLATE", "DATALOADER.NUM_WORKERS", "DATALOADER.TEST", "TRAIN.PRINT_FREQ",
    "TRAIN.CHECKPOINT_FREQ", "TEST.PER_CLASS_RESULT", "TEST.COMPUTE_CMAT", "TEST.SPLIT",
    "FEATURES.STORE", "MODEL.BACKBONE.NAME", "TRAINER.NAME",
)  # fmt: skip
TEMPLATE = "DATASET.TEMPLATE"
OWN_KIND = "ImageFolder"  # the data set class of users' images
WEIGHTS_PATH = re.compile(
    r"^([/~.\\]|[a-z]:[/\\])|\.(pt|pth|tar|bin|ckpt|safetensors)$", re.IGNORECASE
)


def collect_runs(folder: Path) -> tuple[list[Run], list[LeftOut]]:
    """Reads every `result.json` below `folder`, in the order of their paths.

    Data sets of one name are told apart, see `reports.data_sets`.

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
    return settle_templates(tell_apart(runs)), left_out


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
    data = read_json(path)
    if data.get("schema") != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}; got {data.get('schema')!r}")
    _check_counts(data)
    config = flatten(section(data, "config"))
    return Run(
        path=str(path) if name is None else name,
        trainer=field(data, "trainer", str),
        recipe=field(data, "recipe", str),
        dataset=field(data, "dataset", str),
        backbone=_backbone(data),
        weights=_weights(data),
        shots=field(data, "shots", int),
        seed=field(data, "seed", int),
        subset=_subset(data),
        split=field(data, "split", str),
        accuracy=_accuracy(data),
        trained_parameters=count(data, "trained_parameters"),
        step_sec=seconds(data, "step_sec"),
        peak_memory_bytes=count(data, "peak_memory_bytes"),
        trained_on=_trained_on(data),
        settings=_settings(config),
        commit=_commit(data),
        shot_list=text(data, "shot_list_sha256"),
        train_sec=seconds(section(data, "seconds"), "train"),
        device=text(data, "device"),
        own_data=_own_data(data, config),
        own_training_data=_recorded_own_data(section(data, "trained_on")),
        template=str(config.get(TEMPLATE, "")),
        template_chosen=TEMPLATE in _command(data),
    )


def _backbone(data: dict) -> str:
    """Weights by path are called by the file's name: their checksum, not their place, counts."""
    name = field(data, "backbone", str)
    return re.split(r"[/\\]", name)[-1] if WEIGHTS_PATH.search(name) else name


def _weights(data: dict) -> str:
    if "weights_sha256" not in data:
        raise ValueError("weights_sha256 is missing")
    return text(data, "weights_sha256")


def _subset(data: dict) -> str:
    subset = field(data, "subset", str)
    if subset not in SUBSETS:
        raise ValueError(f"subset must be one of {', '.join(SUBSETS)}; got {subset!r}")
    return subset


def _check_counts(data: dict) -> None:
    for entry in items(data, "per_class"):
        if not isinstance(entry, dict):
            raise ValueError(f"per_class must hold objects; got {entry!r}")
        field(entry, "name", str)
        for name in ("label", "total", "correct"):
            field(entry, name, int)
    if not all(isinstance(word, str) for word in items(data, "command")):
        raise ValueError(f"command must hold words; got {data['command']!r}")
    known = {entry["label"] for entry in items(data, "per_class")}
    for entry in items(data, "confused"):
        if not (are_counts(entry) and len(entry) == 3 and {*entry[:2]} <= known):
            raise ValueError(
                f"confused must hold [label, prediction, images] of known labels; got {entry!r}"
            )


def _accuracy(data: dict) -> float:
    metrics = field(data, "metrics", dict)
    for name, other in metrics.items():
        if name != "accuracy" and not is_finite(other):
            raise ValueError(f"metrics.{name} must be a number; got {other!r}")
    value = metrics.get("accuracy")
    if not is_finite(value) or not 0 <= value <= 100:
        raise ValueError(f"metrics.accuracy must be a number from 0 to 100; got {value!r}")
    return float(value)


def _settings(config: dict) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (key, str(value))
            for key, value in config.items()
            if not any(key == name or key.startswith(f"{name}.") for name in NOT_SETTINGS)
        )
    )


def _own_data(data: dict, config: dict) -> OwnData | None:
    """As recorded; results that do not record it have at least the folder and the list."""
    classnames = str(config.get("DATASET.FOLDER.CLASSNAMES", ""))
    recorded = _recorded_own_data(data, classnames)
    if recorded or config.get("DATASET.NAME") != OWN_KIND:
        return recorded
    place = str(config.get("DATASET.FOLDER.PATH", ""))
    path = os.path.normpath(os.path.join(str(config.get("DATASET.ROOT", "")), place))
    return OwnData(path, str(config.get("DATASET.FOLDER.SPLIT", "")), "", classnames)


def _recorded_own_data(data: dict, classnames: str = "") -> OwnData | None:
    if data.get("own_data") is None:
        return None
    own = field(data, "own_data", dict)
    return OwnData(
        field(own, "path", str), text(own, "list"), text(own, "images_sha256"), classnames
    )


def _command(data: dict) -> list[str]:
    """Of this run alone, where the file has it: a process may carry out several."""
    return items(section(data, "inputs"), "argv") or items(data, "command")


def _commit(data: dict) -> str:
    git = section(data, "git")
    commit = git.get("commit")
    if commit is None:
        return ""
    return field(git, "commit", str)[:10] + ("+" if git.get("dirty") else "")


def _trained_on(data: dict) -> tuple[str, str] | None:
    value = data.get("trained_on")
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("subset") not in SUBSETS:
        raise ValueError(f"trained_on must hold a dataset and a subset; got {value!r}")
    return field(value, "dataset", str), value["subset"]
