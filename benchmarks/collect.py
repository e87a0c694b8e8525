"""Reading many result files into one table."""

from __future__ import annotations

import json
from pathlib import Path

import train
from benchmarks.measure import Ratio, median_time
from reports.output.formats import to_markdown
from reports.runs.collect import collect_runs
from reports.tables.base_to_new import document
from reports.tables.base_to_new_numbers import base_to_new

FILES = 1000
CLASSES = 50
DATASETS, SEEDS = 10, 5  # 10 methods on them, base and new


def collect(root: Path, *, repeats: int) -> Ratio:
    """From FILES made-up result files, as large as real ones, to the base-to-new report."""
    make_results(root)

    def way() -> list:
        runs, left_out = collect_runs(root)
        text = to_markdown(document(base_to_new(runs, left_out), title="All"))
        # A table for each data set, of the average, and of averages without each data set.
        if len(runs) != FILES or left_out or text.count("| Method") != 10 * (DATASETS + 2):
            raise RuntimeError(f"{len(runs)} of {FILES} files in the table; left out: {left_out}")
        return []

    return median_time(way, repeats=repeats)


def make_results(root: Path) -> None:
    """FILES result files below `root`, with a whole config and per-class counts each."""
    config = json.loads(json.dumps(train.setup_cfg(train.parse_args(["--trainer", "CoOp"]))))
    counts = [
        {"label": i, "name": f"class {i}", "total": 20, "correct": 10} for i in range(CLASSES)
    ]
    confused = [[i, (i + j) % CLASSES, 2] for i in range(CLASSES) for j in range(1, 6)]
    for number in range(FILES):
        rest, subset = divmod(number, 2)
        rest, seed = divmod(rest, SEEDS)
        method, dataset = divmod(rest, DATASETS)
        result = {
            "schema": 1, "trainer": f"Method{method}", "dataset": f"Set{dataset}", "recipe": "r",
            "backbone": "Pocket", "shots": 16, "seed": seed, "subset": ("base", "new")[subset],
            "split": "test", "metrics": {"accuracy": 50 + number % 40, "macro_f1": 50.0},
            "per_class": counts, "confused": confused, "trained_parameters": 512, "step_sec": 0.01,
            "seconds": {"train": 1.0, "test": 1.0}, "peak_memory_bytes": 10**9, "config": config,
            "weights_sha256": "a" * 64, "shot_list_sha256": "b" * 64, "device": "CPU",
            "git": {"commit": "c" * 40, "dirty": False},
        }  # fmt: skip
        path = root / f"run{number}" / "result.json"
        path.parent.mkdir()
        path.write_text(json.dumps(result, indent=1))
