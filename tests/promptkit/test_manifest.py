"""Run folders: whole files only, finished runs recognised, other runs refused."""

import json
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from promptkit.runs import manifest, same_run
from promptkit.runs.results import (
    confused,
    forget_peak_memory,
    metrics_of,
    peak_memory_bytes,
    per_class,
)
from run_files import SCHEMA

WHOLE = {
    "schema": SCHEMA, "trainer": "CoOp", "dataset": "D", "subset": "all", "seed": 1,
    "metrics": {"accuracy": 50.0},
}  # fmt: skip
PLAN = {"config": {"SEED": 1, "OUTPUT_DIR": "a", "OPTIM": {"LR": 0.1}}, "eval_only": False}


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep/result.json"
    manifest.save_json({"a": 1}, path)
    with pytest.raises(ValueError):
        manifest.save_json({"a": float("nan")}, path)
    with pytest.raises(TypeError):
        manifest.save_json({"a": object()}, path)
    assert manifest.read_json(path) == {"a": 1}
    assert os.listdir(path.parent) == ["result.json"]


@pytest.mark.parametrize("content", [None, "", '{"schema": 1', "[1]", "\x00"])
def test_a_file_that_is_not_whole_reads_as_none(tmp_path, content):
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    assert manifest.read_json(tmp_path / "result.json") is None


def test_plan_recognises_its_own_folder_and_names_differences(tmp_path):
    assert same_run.check_plan(str(tmp_path), PLAN) is False
    manifest.save_json(PLAN, tmp_path / manifest.RUN)
    assert same_run.check_plan(str(tmp_path), PLAN) is False  # begun, not finished
    manifest.save_json(WHOLE, tmp_path / manifest.RESULT)
    assert same_run.check_plan(str(tmp_path), PLAN) is True
    moved = json.loads(json.dumps(PLAN))
    moved["config"] |= {"OUTPUT_DIR": "elsewhere", "DATALOADER": {"NUM_WORKERS": 3}}
    assert same_run.check_plan(str(tmp_path), moved) is True
    other = json.loads(json.dumps(PLAN))
    other["config"]["OPTIM"]["LR"] = 0.2
    with pytest.raises(ValueError, match=r"OPTIM\.LR: 0\.1 there, 0\.2 now.*--output-dir"):
        same_run.check_plan(str(tmp_path), other)


def test_each_run_of_a_process_has_its_own_peak_memory():
    forget_peak_memory()
    big = bytearray(300_000_000)
    with_it = peak_memory_bytes(torch.device("cpu"))
    del big
    forget_peak_memory()
    assert peak_memory_bytes(torch.device("cpu")) < with_it - 200_000_000


def test_finished_means_same_command_and_unchanged_files(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("A: 1")
    result = WHOLE | {"inputs": same_run.inputs(["--seed", "1"], [str(recipe)])}
    manifest.save_json(result, tmp_path / manifest.RESULT)
    assert same_run.is_finished(str(tmp_path), ["--seed", "1"])
    assert not same_run.is_finished(str(tmp_path), ["--seed", "2"])
    recipe.write_text("A: 2")
    assert not same_run.is_finished(str(tmp_path), ["--seed", "1"])


def test_metrics_equal_the_evaluators_golden_values():
    metrics = metrics_of([0, 1, 2, 1, 1, 0], [0, 1, 2, 0, 1, 2], 3)
    assert metrics["accuracy"] == pytest.approx(66.666667)
    assert metrics["error_rate"] == pytest.approx(33.333333)
    assert metrics["macro_f1"] == pytest.approx(65.555556)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=50))
def test_per_class_counts_add_up_to_the_accuracy(pairs):
    labels, predictions = (list(column) for column in zip(*pairs, strict=True))
    rows = per_class(labels, predictions, {n: str(n) for n in range(5)})
    assert sum(row["total"] for row in rows) == len(pairs)
    correct = sum(row["correct"] for row in rows)
    assert metrics_of(labels, predictions, 5)["accuracy"] == pytest.approx(
        100 * correct / len(pairs)
    )


def test_errors_are_counted_by_pair():
    assert confused([0, 0, 1, 0, 2], [1, 0, 1, 1, 0]) == [[0, 1, 2], [2, 0, 1]]
