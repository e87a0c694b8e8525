"""Reads the logs of Dassl-family repositories, so that earlier runs stand in the same tables.

A log names its settings (the blocks "** Arguments **" and "** Config **") and its accuracy with one
decimal. It does not say with which weights, commit or number of trained parameters, so the result
files made from it leave those open, and its trainer is called "<Trainer> (log)": it never shares a
cell with a run of this project.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reports.files import read_text, write_atomically
from reports.runs.benchmark_names import place_of
from reports.runs.epochs import logs_of
from reports.runs.run import LeftOut
from run_files import RESULT, SCHEMA
from run_files.checks import checked
from run_files.dotted import flatten
from run_files.result import Result

# Dassl and CoOp print the first, MaPLe, PromptSRC, KgCoOp, ProGrad and TCP expect the second; an
# evaluation prints neither.
END_SIGNALS = ("Finish training", "Finished training")
RESULT_SIGNAL = "=> result"
METRIC = re.compile(r"^\* (accuracy|error|macro_f1): ([\d.eE+-]+)%")
NAMES = {"accuracy": "accuracy", "error": "error_rate", "macro_f1": "macro_f1"}
SUFFIX = "(log)"
# Folder names of the data sets in the published scripts, and the names that they register.
TITLES = {
    place_of(name): name
    for name in (
        "ImageNet", "Caltech101", "OxfordPets", "StanfordCars", "OxfordFlowers", "Food101",
        "FGVCAircraft", "SUN397", "DescribableTextures", "EuroSAT", "UCF101", "ImageNetV2",
        "ImageNetSketch", "ImageNetA", "ImageNetR",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Parsed:
    """The content of a result file, the log it is from, and where below the output it goes."""

    log: Path
    folder: PurePosixPath
    result: dict


def parse_folder(folder: Path) -> tuple[list[Parsed], list[LeftOut]]:
    """The newest finished log of every folder below `folder`, and the logs that cannot be used.

    Raises:
        FileNotFoundError: there is no log.
    """
    places = sorted({path.parent for path in folder.rglob("log.txt*") if path.is_file()})
    if not places:
        raise FileNotFoundError(f"No log.txt in {folder} or below it.")
    found, left_out = [], []
    for place in places:
        try:
            log, text = _newest_finished(logs_of(place))
            tail = PurePosixPath(place.relative_to(folder).as_posix())
            found.append(Parsed(log, tail, result_of(text)))
        except (OSError, ValueError) as error:
            name = logs_of(place)[-1].relative_to(folder).as_posix()
            left_out.append(LeftOut(name, str(error)))
    return found, left_out


def _newest_finished(logs: Iterable[Path]) -> tuple[Path, str]:
    """A run that was started again has several; one that broke off has no result."""
    for path in reversed(list(logs)):
        text = read_text(path, errors="replace")
        if metrics_of(text):
            return path, text
    raise ValueError(f"no accuracy after {RESULT_SIGNAL!r}: the run did not end")


def metrics_of(text: str) -> dict[str, float]:
    """The last result after the end of training; {} if there is none.

    Tests during training, before the end signal, do not count; evaluations have no end signal.
    """
    lines = text.splitlines()
    ends = [i for i, line in enumerate(lines) if line.strip() in END_SIGNALS]
    trained = any(line.startswith("epoch [") for line in lines)
    if trained and not ends:
        return {}
    start = ends[-1] if ends else 0
    results = [i for i, line in enumerate(lines) if i >= start and line.strip() == RESULT_SIGNAL]
    if not results:
        return {}
    found = {}
    for line in lines[results[-1] :]:
        match = METRIC.match(line)
        if match:
            found[NAMES[match[1]]] = float(match[2])
    return found if "accuracy" in found else {}


def result_of(text: str) -> dict:
    """The content of a result file.

    Raises:
        ValueError: the log does not say what was run.
    """
    settings = _arguments(text) | _config(text)
    evaluated = settings.get("eval_only") == "True"
    model_dir = settings.get("model_dir", "")
    trainer = _need(settings, "TRAINER.NAME")
    untrained = evaluated and not model_dir
    dataset = _need(settings, "DATASET.NAME")
    subset = settings.get("DATASET.SUBSAMPLE_CLASSES", "all")
    seed = settings.get("SEED", "-1")
    result = {
        "schema": SCHEMA,
        "trainer": f"{trainer} {SUFFIX}",
        "dataset": dataset,
        "recipe": PurePosixPath(settings.get("config_file", "").replace("\\", "/")).stem,
        "backbone": _need(settings, "MODEL.BACKBONE.NAME"),
        "weights_sha256": "",
        "shots": _shots(settings, model_dir),
        "seed": int(seed if seed != "-1" else _seed_of(settings.get("OUTPUT_DIR", "")) or "-1"),
        "subset": subset,
        "split": settings.get("TEST.SPLIT", "test"),
        "metrics": metrics_of(text),
        "trained_parameters": 0 if untrained else None,
        "trained_on": None,
    }
    source = _source(model_dir) if evaluated else (dataset, subset)
    if source and not untrained:
        result["trained_on"] = {"dataset": source[0], "subset": source[1]}
    return checked({key: value for key, value in result.items() if value is not None}, Result)


def _need(settings: dict[str, str], key: str) -> str:
    if not settings.get(key):
        raise ValueError(f"the log does not say {key}: its '** Config **' block is missing or cut")
    return settings[key]


def _shots(settings: dict[str, str], model_dir: str) -> int:
    """Of the training; evaluations of other data sets leave it to the folder's name."""
    shots = int(settings.get("DATASET.NUM_SHOTS", "-1"))
    match = re.search(r"(\d+)shots|shots_(\d+)", model_dir)
    return int(match[1] or match[2]) if shots < 1 and match else shots


def _seed_of(folder: str) -> str | None:
    match = re.search(r"seed(\d+)", folder)
    return match[1] if match else None


def _source(model_dir: str) -> tuple[str, str] | None:
    """Data set and classes of a training, from its folder in the published scripts' layout."""
    for part in PurePosixPath(model_dir.replace("\\", "/")).parts:
        if place_of(part) in TITLES:
            subset = "base" if "train_base" in model_dir else "all"
            return TITLES[place_of(part)], subset
    return None


def _block(text: str, name: str) -> list[str]:
    """The lines under a starred heading, up to the next one or an empty line."""
    match = re.search(
        rf"^\*\* {name} \*\*\n\*+\n(.*?)(?=^\*{{5,}}|^Collecting|^\s*$|\Z)", text, re.M | re.S
    )
    return match[1].splitlines() if match else []


def _arguments(text: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in _block(text, "Arguments"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _config(text: str) -> dict[str, str]:
    """yacs prints nested keys with two more spaces a level."""
    tree: dict = {}
    parents: list[dict] = [tree]
    for line in _block(text, "Config"):
        key, colon, value = line.strip().partition(":")
        depth = (len(line) - len(line.lstrip())) // 2
        if not colon or depth >= len(parents):
            continue  # the rest of a long list
        del parents[depth + 1 :]
        if value.strip():
            parents[depth][key] = value.strip().strip("'\"")
        else:
            parents[depth][key] = {}
            parents.append(parents[depth][key])
    return flatten(tree)


def write(parsed: Iterable[Parsed], target: Path) -> tuple[int, list[LeftOut]]:
    """Writes result files below `target`; one that is there and differs is left as it is."""
    written, left_out = 0, []
    for item in parsed:
        path = target / item.folder / RESULT
        content = json.dumps(item.result, indent=1) + "\n"
        if path.exists():
            if path.read_bytes() != content.encode():
                left_out.append(LeftOut(str(item.log), f"{path} holds another result; not changed"))
                continue
        else:
            write_atomically(path, content.encode())
        written += 1
    return written, left_out
