"""Reads result files: one `result.json` on disk becomes one checked, frozen `Run`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from reports.files import read_json
from reports.runs.data_sets import TEMPLATE, settle_descriptions, settle_templates, tell_apart
from reports.runs.run import LeftOut, OwnData, Run
from run_files import RESULT
from run_files.dotted import flatten
from run_files.result import Git, OwnSet, Result

# Keys of the config that say where, how fast, on which data, or what a column says already.
NOT_SETTINGS = (
    "VERSION.", "OUTPUT_DIR.", "RESUME.", "SEED.", "VERBOSE.", "USE_CUDA.", "DATASET.ROOT.",
    "DATASET.NAME.", "DATASET.SUBSAMPLE_CLASSES.", "DATASET.NUM_SHOTS.", "DATASET.FOLDER.",
    "DATASET.TEMPLATE.", "DATASET.DESCRIPTIONS.", "DATALOADER.NUM_WORKERS.", "DATALOADER.TEST.",
    "TRAIN.PRINT_FREQ.",
    "TRAIN.CHECKPOINT_FREQ.", "TEST.PER_CLASS_RESULT.", "TEST.COMPUTE_CMAT.", "TEST.SPLIT.",
    "TEST.KEEP_LOGITS.", "FEATURES.STORE.", "FEATURES.TRAIN_STORE.", "MODEL.BACKBONE.NAME.",
    "TRAINER.NAME.", "PROTOCOL.",
)  # fmt: skip
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
        except (OSError, ValueError, RecursionError) as error:
            left_out.append(LeftOut(shown, str(error)))
    if not runs and not left_out:
        raise FileNotFoundError(
            f"No {RESULT} in {folder} or below it. Each finished run writes one; "
            "give the folder that the runs wrote into."
        )
    return settle_descriptions(settle_templates(tell_apart(runs))), left_out


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
        if RESULT in (*files, *folders):
            found.append(Path(place, RESULT))
    return sorted(found)


def read_run(path: Path, *, name: str | None = None) -> Run:
    """Reads and checks one result file; `name` is what messages call it (default: the path).

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, has another schema, or a field is missing or wrong.
    """
    result = read_json(path, Result)
    config = flatten(result.config)
    source = result.trained_on
    return Run(
        path=str(path) if name is None else name,
        trainer=result.trainer,
        recipe=result.recipe,
        dataset=result.dataset,
        backbone=_backbone(result.backbone),
        weights=result.weights_sha256 or "",
        logits=result.logits_sha256 or "",
        shots=result.shots,
        seed=result.seed,
        subset=result.subset,
        split=result.split,
        accuracy=result.metrics.accuracy,
        trained_parameters=result.trained_parameters,
        step_sec=result.step_sec,
        peak_memory_bytes=result.peak_memory_bytes,
        trained_on=source and (source.dataset, source.subset),
        settings=_settings(config),
        commit=_commit(result.git),
        shot_list=result.shot_list_sha256 or "",
        train_sec=result.seconds.train,
        temperature=result.temperature and result.temperature.value,
        chosen_on=str(config.get("PROTOCOL.CHOSEN_ON", "unknown")),
        per_data_set=config.get("PROTOCOL.PER_DATA_SET") is True,
        uses_task_oracle=result.uses_task_oracle,
        descriptions=result.descriptions_sha256 or "",
        device=result.device or "",
        own_data=_own_data(result.own_data, config),
        own_training_data=source and _recorded(source.own_data),
        template=str(config.get(TEMPLATE, "")),
        # Of this run alone, where the file has it: a process may carry out several.
        template_chosen=TEMPLATE in (result.inputs.argv or result.command),
    )


def _backbone(name: str) -> str:
    """Weights by path are called by the file's name: their checksum, not their place, counts."""
    return re.split(r"[/\\]", name)[-1] if WEIGHTS_PATH.search(name) else name


def _settings(config: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (key, str(value))
            for key, value in config.items()
            if not f"{key}.".startswith(NOT_SETTINGS)  # the key itself, or one below it
        )
    )


def _own_data(own: OwnSet | None, config: dict[str, Any]) -> OwnData | None:
    """As recorded; results that do not record it have at least the folder and the list."""
    classnames = str(config.get("DATASET.FOLDER.CLASSNAMES", ""))
    if own or config.get("DATASET.NAME") != OWN_KIND:
        return _recorded(own, classnames)
    place = str(config.get("DATASET.FOLDER.PATH", ""))
    path = os.path.normpath(os.path.join(str(config.get("DATASET.ROOT", "")), place))
    return OwnData(path, str(config.get("DATASET.FOLDER.SPLIT", "")), "", classnames)


def _recorded(own: OwnSet | None, classnames: str = "") -> OwnData | None:
    return own and OwnData(own.path, own.list or "", own.images_sha256 or "", classnames)


def _commit(git: Git) -> str:
    return "" if git.commit is None else git.commit[:10] + "+" * bool(git.dirty)
