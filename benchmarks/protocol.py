"""Whole protocols: base-to-new on PocketShapes, as the scripts run it, and as published code does.

The reference encodes 77 tokens a class, all classes again for every test batch, and every image
each time that it comes up. Interpreter start and imports, equal in both ways, are not measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from unittest import mock

import train
from promptkit.runs.arguments import THEN
from promptkit.stores.feature_store import ENVIRONMENT
from promptkit.trainer import PromptTrainer

METHODS = ("CoOp", "CoCoOp", "KgCoOp", "ProGrad", "TCP", "E2MIM")  # those that tune words alone
DATASET, CLASSES = "pocket_shapes", 120
PROJECT = Path(train.__file__).parent


def base_to_new(
    method: str, seeds: int, root: Path, *, device: str = "cpu", opts: tuple[str, ...] = ()
) -> dict:
    """Trains on base classes, tests on base and new; both ways in turn, for seeds 1, 2, ...

    Args:
        method: one of METHODS.
        seeds: how many.
        root: of data and stored features, which all methods share, and of results.
        device: cpu or cuda.
        opts: KEY VALUE pairs of the config, for both ways.

    Returns:
        "fast_sec" and "reference_sec", lists over seeds, and "difference", the largest one of the
        accuracies in points.
    """
    times: dict[str, list[float]] = {"fast_sec": [], "reference_sec": []}
    differences = []
    # Without what a test keeps besides, which is equal in both ways.
    opts = (*opts, "TEST.KEEP_LOGITS", "False", "USE_CUDA", str(device == "cuda"))
    first = "DATASET.NUM_SHOTS", "16", "OPTIM.MAX_EPOCH", "1", "TEST.NO_TEST", "True"
    argv = [*_arguments(method, 1, root), "--output-dir", tempfile.mkdtemp(dir=root)]
    train.main([*argv, *opts, *first])  # draws the images, and makes a GPU ready
    for seed in range(1, seeds + 1):
        accuracies = []
        for way, pairs, caching in (
            ("fast_sec", opts, contextlib.nullcontext()),
            ("reference_sec", (*opts, *_reference_keys(method)), classes_for_every_batch()),
        ):
            start = time.perf_counter()  # results are on the CPU at the end
            with caching:
                accuracies.append(_run(_arguments(method, seed, root), root, pairs))
            times[way].append(time.perf_counter() - start)
        together = zip(*accuracies, strict=True)
        differences.append(max(abs(ours - theirs) for ours, theirs in together))
    return {**times, "difference": max(differences)}


def _arguments(method: str, seed: int, root: Path) -> list[str]:
    return [
        "--root", str(root / "data"), "--seed", str(seed), "--trainer", method,
        "--dataset-config-file", str(PROJECT / f"configs/datasets/{DATASET}.yaml"),
        "--config-file", str(PROJECT / f"configs/trainers/{method}/pocket.yaml"),
    ]  # fmt: skip


def _reference_keys(method: str) -> tuple[str, ...]:
    encoder = f"TRAINER.{method.upper()}.TEXT_ENCODER", "reference"
    nothing_kept = "FEATURES.STORE", "False", "FEATURES.TRAIN_STORE", "off"
    return *encoder, *nothing_kept, "FEATURES.VIEWS", "0"


def _run(common: list[str], root: Path, opts: tuple[str, ...]) -> list[float]:
    """Base and new accuracy."""
    output = tempfile.mkdtemp(dir=root)
    base, new = os.path.join(output, "base"), os.path.join(output, "new")
    pairs = ["DATASET.NUM_SHOTS", "16", *opts, "DATASET.SUBSAMPLE_CLASSES"]
    argv = [
        *common, "--output-dir", base, *pairs, "base", THEN,
        *common, "--output-dir", new, "--eval-only", "--model-dir", base, "--load-epoch", "final",
        *pairs, "new",
    ]  # fmt: skip
    environment = {ENVIRONMENT: str(root / "features"), "TRACEBACK": "1"}  # errors are raised
    with mock.patch.dict(os.environ, environment):
        train.main(argv)
    results = (json.loads(Path(folder, "result.json").read_text()) for folder in (base, new))
    return [result["metrics"]["accuracy"] for result in results]


@contextlib.contextmanager
def classes_for_every_batch() -> Iterator[None]:
    """Evaluation forgets its class features after each batch."""
    inference = PromptTrainer.model_inference

    def forgetful(trainer: PromptTrainer, images):
        trainer._classifier = None
        return inference(trainer, images)

    with mock.patch.object(PromptTrainer, "model_inference", forgetful):
        yield


def row(what: str, runs: list[dict]) -> dict:
    """One row of the table: sums over `runs` and seeds; the spread is the seeds' of one run."""
    fast, reference = (
        [sum(times) for times in zip(*(run[way] for run in runs), strict=True)]
        for way in ("fast_sec", "reference_sec")
    )
    return {
        "what": what,
        "classes": CLASSES,
        "fast_ms": 1e3 * sum(fast),
        "reference_ms": 1e3 * sum(reference),
        "ratio": sum(reference) / sum(fast),
        "fast_spread": (max(fast) - min(fast)) / median(fast),
        "reference_spread": (max(reference) - min(reference)) / median(reference),
        "difference": max(run["difference"] for run in runs),
        "note": f"{len(fast)} seeds; difference in points; the first one fills the store",
    }
