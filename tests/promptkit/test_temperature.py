"""The fitted temperature is the best one, and stands in the result of the training."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import train
from promptkit.runs.temperature import RANGE, fitted


def test_in_closed_form():
    """Three of four are right at a gap of 2: sigmoid(2 / T) must be 3/4."""
    logits = torch.tensor([[2.0, 0], [2, 0], [2, 0], [2, 0]])
    assert fitted(logits, torch.tensor([0, 0, 0, 1])) == pytest.approx(2 / math.log(3), rel=1e-6)


@given(st.integers(0, 1000), st.floats(0.1, 10))
@settings(max_examples=30)
def test_none_beside_it_is_better_and_it_scales_with_the_logits(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(40, 5, generator=generator)
    labels = torch.distributions.Categorical(logits=logits).probs.multinomial(
        1, generator=generator
    )[:, 0]
    best = fitted(logits, labels)

    def likelihood(temperature):
        return F.cross_entropy(logits.double() / temperature, labels).item()

    assert all(likelihood(best) <= likelihood(best * factor) + 1e-12 for factor in (0.9, 1.1))
    if RANGE[0] < best * scale < RANGE[1] and best < RANGE[1] * 0.999:
        assert fitted(scale * logits, labels) == pytest.approx(scale * best, rel=1e-4)


def test_who_is_always_right_or_wrong_gets_the_end_of_the_range():
    logits = torch.tensor([[1.0, 0], [0, 1]])
    assert fitted(logits, torch.tensor([0, 1])) == pytest.approx(RANGE[0], rel=1e-6)
    assert fitted(logits, torch.tensor([1, 0])) == pytest.approx(RANGE[1], rel=1e-6)


def test_it_is_of_the_training_and_of_zero_shot(tiny_argv, tmp_path):
    def temperature(name, output, subset, *flags):
        argv = tiny_argv(name, "DATASET.SUBSAMPLE_CLASSES", subset, output=output, flags=flags)
        assert train.main(argv) == 0
        return json.loads((tmp_path / output / "result.json").read_text())["temperature"]

    assert temperature("CoOp", "a", "base")["images"] == 3 * 4
    loaded = ("--eval-only", "--model-dir", str(tmp_path / "a"), "--load-epoch", "2")
    assert temperature("CoOp", "b", "base", *loaded) is None
    assert temperature("CoOp", "c", "new", *loaded) is None
    assert temperature("ZeroshotCLIP", "d", "base", "--eval-only")["value"] > 0
    assert temperature("ZeroshotCLIP", "e", "new", "--eval-only") is None


def test_a_fault_in_it_costs_no_result(tiny_argv, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise OSError("Cannot read image x.png")

    monkeypatch.setattr("promptkit.runs.temperature.fitted", fail)
    assert train.main(tiny_argv("CoOp")) == 0
    assert json.loads((tmp_path / "run/result.json").read_text())["temperature"] is None
    assert "No temperature is fitted: Cannot read image x.png" in capsys.readouterr().out
    assert train.main(tiny_argv("CoOp", "DATASET.NUM_SHOTS", -1, output="all")) == 0
    assert json.loads((tmp_path / "all/result.json").read_text())["temperature"] is None
