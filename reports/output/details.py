"""What the page shows of one run: its line in the list, and its details."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reports.files import read_json, read_text
from reports.runs.epochs import logs_of
from reports.runs.run import Run
from run_files.dotted import flatten
from run_files.result import Result

COLUMNS = (
    "Trainer",
    "Accuracy",
    "Data set",
    "Classes",
    "Shots",
    "Seed",
    "Macro F1",
    "Training (s)",
    "Memory (MB)",
    "Recipe",
)
TEXT_COLUMNS = ("Trainer", "Data set", "Classes", "Recipe")
CONFUSION_COLUMNS = ("Class", "Taken for", "Images", "% of the class")
LOG_LINES = 12
MOST_CONFUSED = 10


@dataclass(frozen=True)
class Details:
    """A run, as text.

    Attributes:
        anchor: its place in the page.
        cells: of COLUMNS but the trainer.
        facts: what it was run with.
        matrix: of the confusions, as JSON for the script, which draws it; "" where not recorded.
        most_confused: of CONFUSION_COLUMNS.
        log: name and last lines; None where there is none.
        settings: the config.
    """

    anchor: str
    title: str
    trainer: str
    cells: dict[str, str]
    facts: dict[str, str]
    matrix: str
    most_confused: list[tuple[str, ...]]
    log: tuple[str, str] | None
    settings: str


def details_of(folder: Path, run: Run, anchor: str) -> Details:
    """Of a run below `folder`."""
    result = read_json(folder / run.path, Result)
    name = f"{run.trainer} on {run.dataset}, {run.subset} classes, seed {run.seed}"
    settings = flatten(result.config)
    return Details(
        anchor=anchor,
        title=f"{name}: {run.accuracy:.2f} %",
        trainer=run.trainer,
        cells=_cells(run, result),
        facts=_facts(run, result),
        matrix=_matrix(result),
        most_confused=_most_confused(result),
        log=_end_of_log((folder / run.path).parent),
        settings="\n".join(f"{key}: {value}" for key, value in sorted(settings.items())),
    )


def _cells(run: Run, result: Result) -> dict[str, str]:
    f1, trained = result.metrics.macro_f1, run.step_sec is not None and run.train_sec is not None
    memory = run.peak_memory_bytes
    return {
        "Accuracy": f"{run.accuracy:.2f}",
        "Data set": run.dataset,
        "Classes": run.subset,
        "Shots": str(run.shots) if run.shots > 0 else "",
        "Seed": str(run.seed),
        "Macro F1": "" if f1 is None else f"{f1:.2f}",
        "Training (s)": f"{run.train_sec:.1f}" if trained else "",
        "Memory (MB)": "" if memory is None else f"{memory / 1e6:,.0f}",
        "Recipe": run.recipe,
    }


def _facts(run: Run, result: Result) -> dict[str, str]:
    facts = {
        "folder": str(Path(run.path).parent),
        "seed": str(run.seed),
        "commit": run.commit,
        "device": run.device,
        "weights": run.weights,
        "training images": run.shot_list,
    }
    if own := run.own_data:
        facts["own data"] = ", ".join(filter(None, (own.path, own.list, own.classnames)))
        facts["own images"] = own.images
    facts["trained on"] = ", ".join(run.trained_on or ("nothing",))
    facts["command"] = " ".join(result.command)
    return {name: fact or "not recorded" for name, fact in facts.items()}


def _matrix(result: Result) -> str:
    if not result.per_class or result.confused is None:
        return ""
    classes = {counts.label: counts for counts in result.per_class}
    places = {label: place for place, label in enumerate(sorted(classes))}
    errors = [[places[x], places[y], count] for x, y, count in result.confused]
    hits = [[place, place, classes[label].correct] for label, place in places.items()]
    return json.dumps(
        {
            "names": [classes[label].name for label in places],
            "totals": [classes[label].total for label in places],
            "cells": errors + hits,
        }
    )


def _most_confused(result: Result) -> list[tuple[str, ...]]:
    classes = {counts.label: counts for counts in result.per_class}
    worst = sorted(result.confused or (), key=lambda entry: -entry[2])[:MOST_CONFUSED]
    return [
        (classes[x].name, classes[y].name, str(count),
         f"{100 * count / max(classes[x].total, 1):.1f}")
        for x, y, count in worst
    ]  # fmt: skip


def _end_of_log(place: Path) -> tuple[str, str] | None:
    logs = logs_of(place)
    if not logs:
        return None
    try:
        lines = read_text(logs[-1], errors="replace").splitlines()[-LOG_LINES:]
    except (OSError, ValueError) as error:
        lines = [str(error)]
    return logs[-1].name, "\n".join(lines)
