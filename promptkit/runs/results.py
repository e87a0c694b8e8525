"""What a run found, as data: metrics in full precision, per-class counts, cost, provenance."""

import contextlib
import hashlib
import os
import re
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dassl.engine import TrainerX
from promptkit import ranks
from promptkit.backbones.embedded import EMBEDDED
from promptkit.encoders.precision import device_name
from promptkit.runs.environment import environment
from run_files import SCHEMA

# Linux keeps a process's peak in the one, and forgets it when 5 is written into the other.
PEAK_STATUS, PEAK_SWITCH = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def metrics_of(labels: list[int], predictions: list[int], num_classes: int) -> dict[str, float]:
    """Accuracy, error rate and macro F1 in percent; F1 averages over labels that occur."""
    confusion = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(confusion, (labels, predictions), 1)
    hits = confusion.diagonal()
    present = confusion.sum(axis=1) > 0
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    accuracy = 100 * hits.sum() / confusion.sum()
    return {
        "accuracy": float(accuracy),
        "error_rate": float(100 - accuracy),
        "macro_f1": float(100 * f1[present].mean()),
    }


def per_class(
    labels: list[int], predictions: list[int], names: dict[int, str]
) -> list[dict[str, Any]]:
    """Total and correct images of each class."""
    labels, hits = np.array(labels), np.array(labels) == np.array(predictions)
    return [
        {
            "label": label,
            "name": name,
            "total": int((labels == label).sum()),
            "correct": int(hits[labels == label].sum()),
        }
        for label, name in sorted(names.items())
    ]


def confused(labels: list[int], predictions: list[int]) -> list[list[int]]:
    """[label, prediction, images] of every kind of error that occurred: a sparse matrix."""
    errors = Counter(pair for pair in zip(labels, predictions, strict=True) if pair[0] != pair[1])
    return [[int(label), int(taken), count] for (label, taken), count in sorted(errors.items())]


def dataset_name(trainer: TrainerX) -> str:
    """What the data set is called in results: a set of the user's own has a title."""
    return getattr(trainer.dm.dataset, "title", trainer.cfg.DATASET.NAME)


def shot_list_hash(trainer: TrainerX) -> str:
    """sha256 of the training images (paths relative to DATASET.ROOT) and labels, in order."""
    root = os.path.abspath(os.path.expanduser(trainer.cfg.DATASET.ROOT or "."))
    lines = [f"{os.path.relpath(x.impath, root)} {x.label}" for x in trainer.dm.dataset.train_x]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def forget_peak_memory() -> None:
    """Starts `peak_memory_bytes` anew, where the system can: a process may hold several runs."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        PEAK_SWITCH.write_text("5")


def peak_memory_bytes(device: torch.device) -> int:
    """Highest memory use of the run: allocated on the GPU, or resident on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB$", PEAK_STATUS.read_text(), re.M)
        if found:
            return 1024 * int(found[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def step_sec(trainer: TrainerX) -> float | None:
    """Median seconds of an optimisation step, without loading; None if there was none."""
    times = getattr(trainer, "step_sec", None)
    return float(np.median(times)) if times else None


def build_result(
    trainer: TrainerX, plan: dict[str, Any], *, recipe: str, seconds: dict[str, float]
) -> dict[str, Any]:
    """The content of result.json after an evaluation, but for what the command line knows.

    Its schema is `run_files.result.Result`.
    """
    cfg, evaluator = trainer.cfg, trainer.evaluator
    labels, predictions = evaluator._y_true, evaluator._y_pred
    trained = [p for m in trainer._models.values() for p in m.parameters() if p.requires_grad]
    return {
        "schema": SCHEMA,
        "trainer": cfg.TRAINER.NAME,
        "dataset": dataset_name(trainer),
        "own_data": getattr(trainer.dm.dataset, "identity", None),
        "recipe": recipe,
        "backbone": cfg.MODEL.BACKBONE.NAME,
        "shots": cfg.DATASET.NUM_SHOTS,
        "seed": cfg.SEED,
        "subset": cfg.DATASET.SUBSAMPLE_CLASSES,
        "split": cfg.TEST.SPLIT,
        "metrics": metrics_of(labels, predictions, trainer.num_classes),
        "per_class": per_class(labels, predictions, trainer.lab2cname),
        "confused": confused(labels, predictions),
        "chosen": getattr(trainer, "chosen", {}),
        "uses_task_oracle": getattr(trainer, "uses_task_oracle", False),
        "trained_parameters": sum(parameter.numel() for parameter in trained),
        "seconds": seconds,  # of this process: see resumed_from_epoch
        "step_sec": step_sec(trainer),
        "resumed_from_epoch": trainer.start_epoch,
        "peak_memory_bytes": peak_memory_bytes(trainer.device),
        "device": _device_name(trainer.device),
        "shot_list_sha256": shot_list_hash(trainer),
        "weights_sha256": getattr(trainer, "weights_sha256", None),
        **plan,
        **environment(),
    }


def near_chance(result: dict[str, Any]) -> str:
    """A line on an accuracy near that of guessing, where the images are a user's own; else "".

    Near is twice the chance, or a fifth of the way from it to 100 % if that is less.
    """
    classes, accuracy = len(result["per_class"]), result["metrics"]["accuracy"]
    chance = 100 / classes
    if not result["own_data"] or classes < 2 or accuracy > min(2 * chance, 0.8 * chance + 20):
        return ""
    if result["backbone"] in EMBEDDED:
        reason = (
            f"The {result['backbone']} weights know drawn pictures only, no photographs: take a "
            "recipe for ViT-B/16 (vit_b16...), with --backbone ViT-B/16."
        )
    else:
        reason = (
            "Do the class names say what the images show, and does python -m datasets.check "
            f"{result['own_data']['path']} --deep read them as you mean?"
        )
    return (
        f"Note: {accuracy:.1f} % is near the {chance:.1f} % of guessing one of {classes} classes. "
        f"{reason}\n"
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cpu":
        name = f"CPU, {torch.get_num_threads()} threads"
    else:
        name = device_name(device)
    return name if ranks.count() == 1 else f"{ranks.count()} x {name}"
