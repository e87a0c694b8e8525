"""Schemas of a run's files: what is written is what is read, and a fault is named."""

import json
import typing

import numpy as np
import pytest

from run_files import checks, curve, result
from run_files.checks import checked, read
from run_files.curve import Curve, Point
from run_files.result import Plan, Result

OLDEST = {  # what the first results had, in an order of its own
    "per_class": [{"label": 1, "name": "cat", "total": 4, "correct": 3}],
    "schema": 1,
    "trainer": "CoOp",
    "dataset": "Pets",
    "recipe": "r",
    "backbone": "Pocket",
    "shots": 16,
    "seed": 0,
    "subset": "base",
    "split": "test",
    "metrics": {"accuracy": 75, "error_rate": 25.0, "macro_f1": 74.0},
    "weights_sha256": None,
    "config": {"OPTIM": {"LR": 0.1}},
}


def test_the_oldest_results_are_read():
    found = read(json.dumps(OLDEST), Result)
    assert (found.trainer, found.metrics.accuracy) == ("CoOp", 75.0)
    assert found.per_class[0].correct == 3 and found.config == {"OPTIM": {"LR": 0.1}}
    assert (found.weights_sha256, found.confused, found.step_sec) == (None, None, None)
    assert (found.git.commit, found.seconds.train, found.inputs.argv) == (None, None, [])


def test_fields_that_are_younger_than_this_schema_are_passed_over():
    assert read(json.dumps(OLDEST | {"colour": 3}), Result) == read(json.dumps(OLDEST), Result)


def test_a_config_may_hold_what_only_python_reads():
    """NaN, and half a character: the bytes of a path that are no UTF-8."""
    content = OLDEST | {"config": {"A": float("inf")}, "command": ["train.py", "\udcff"]}
    found = read(json.dumps(content), Result)
    assert found.config == {"A": float("inf")} and found.command[1] == "\udcff"


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("metrics", {"accuracy": float("nan")}, "metrics.accuracy must be a number from 0 to 100"),
        ("metrics", 3, "metrics must be an object with accuracy; got 3"),
        ("shots", -(2**53) - 1, "shots must be an integer of at most 2**53; got -9007199254740993"),
        ("seed", 1.0, "seed must be an integer of at most 2**53; got 1.0"),
        ("seed", np.int64(1), "seed must be an integer of at most 2**53; got '"),
        ("eval_only", 1, "eval_only must be true or false; got 1"),
        ("trained_on", {"dataset": "D"}, "trained_on.subset is missing"),
        ("git", {"commit": 7}, "git.commit must be text in UTF-8; got 7"),
        ("confused", [[0, 1]], "confused[0] must be [label, prediction, images], three integers"),
        ("confused", [[1, 2, 3]], "confused must hold [label, prediction, images] of the labels"),
        ("device", "x" * 999, ""),
        ("step_sec", "x" * 999, "step_sec must be a number of seconds; got 'xxx"),
        ("metrics", {"accuracy": 5, "acuracy": 5}, "its schema has no metrics.acuracy"),
        ("colour", 3, "its schema has no colour"),
        ("step_sec", np.float64(0.1), ""),
        ("command", ("train.py",), ""),
    ],
)
def test_what_is_written_is_checked(field, value, fault):
    content = OLDEST | {field: value}
    if not fault:
        assert checked(content, Result) is content
        return
    with pytest.raises(ValueError) as raised:
        checked(content, Result)
    assert str(raised.value).startswith(f"result.json: {fault}") and len(str(raised.value)) < 300


def test_another_version_is_named_before_all_else():
    content = OLDEST | {"schema": 2, "config": 3, "metrics": {}}
    with pytest.raises(ValueError, match="^schema must be 1; got 2$"):
        read(json.dumps(content), Result)


def test_plans_and_curves_have_schemas_too():
    plan = {"config": {}, "backbone_sha256": None, "eval_only": True}
    plan["checkpoint"] = {"model_dir": "a", "epoch": None, "sha256": {"a/b": None}}
    assert checked(plan, Plan) is plan
    with pytest.raises(ValueError, match=r"^run.json: checkpoint.epoch must be an integer"):
        checked(plan | {"checkpoint": {"model_dir": "a", "epoch": "final"}}, Plan)
    points = [{"epoch": 1, "base": 50.0, "new": 40}]
    assert read(json.dumps({"points": points}), Curve).points == [Point(1, 50.0, 40.0)]
    with pytest.raises(ValueError, match=r"^curve.json: points\[0\].epoch must be the number of"):
        checked({"points": [{"epoch": 0}]}, Curve)


STRUCTS = [value for module in (result, curve) for value in vars(module).values()
           if isinstance(value, type) and value.__module__ == module.__name__]  # fmt: skip


@pytest.mark.parametrize("schema", STRUCTS)
def test_every_field_has_words_for_what_it_must_be(schema):
    kinds = typing.get_type_hints(schema, include_extras=True)
    kinds = {name: kind for name, kind in kinds.items() if name != "FILE"}
    assert set(kinds) == set(schema.__struct_fields__) and len(STRUCTS) == 13
    for name, kind in kinds.items():
        assert checks._fault(1j, kind, name).startswith(f"{name} must be ")
