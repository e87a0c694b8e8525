"""Made-up result files in the form that a run writes."""

import json

import pytest


@pytest.fixture
def write_result(tmp_path):
    """Writes one result.json below tmp_path/runs; keywords replace fields, None removes one."""

    def write(folder, *, accuracy=50.0, **fields):
        result = {
            "schema": 1,
            "trainer": "CoOp",
            "dataset": "PocketShapes",
            "recipe": "pocket",
            "backbone": "Pocket",
            "shots": 16,
            "seed": 1,
            "subset": "base",
            "split": "test",
            "metrics": {"accuracy": accuracy, "error_rate": 50.0, "macro_f1": 49.0},
            "per_class": [{"label": 0, "name": "red circle", "total": 20, "correct": 10}],
            "trained_parameters": 2048,
            "seconds": {"train": 12.3, "test": 1.2},
            "step_sec": 0.25,
            "peak_memory_bytes": 600_000_000,
            "config": {"SEED": 1},
            "checkpoint": None,
            "shot_list_sha256": "0" * 64,
            "weights_sha256": "a" * 64,
            "git": {"commit": "0" * 40, "dirty": False},
            "versions": {"python": "3.11"},
            "device": "cpu",
        }
        result |= fields
        path = tmp_path / "runs" / folder / "result.json"
        path.parent.mkdir(parents=True)
        kept = {name: value for name, value in result.items() if value is not None}
        path.write_text(json.dumps(kept), encoding="utf-8")
        return path

    return write


@pytest.fixture
def write_pair(write_result):
    """Writes the base and the new result of one trained model."""

    def write(folder, base, new, **fields):
        write_result(f"{folder}/base", accuracy=base, subset="base", **fields)
        write_result(f"{folder}/new", accuracy=new, subset="new", **fields)

    return write
