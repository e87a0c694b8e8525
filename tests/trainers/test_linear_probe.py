"""The linear probe: at the minimum of its objective, with the penalty that validation chose."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import train
from trainers.linear_probe import fit


def zero_layer(width: int, classes: int, dtype=torch.float32) -> nn.Linear:
    linear = nn.Linear(width, classes, dtype=dtype)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return linear


@pytest.mark.parametrize("c", [0.1, 10.0])
def test_the_gradient_of_the_objective_vanishes_where_it_stops(c):
    torch.manual_seed(0)
    features, labels = F.normalize(torch.randn(60, 8), dim=-1).double(), torch.arange(60) % 3
    linear = zero_layer(8, 3, torch.float64)
    fit(linear, features, labels, c)
    with torch.no_grad():  # by hand: softmax minus one-hot, plus the penalty's
        error = linear(features).softmax(dim=1) - F.one_hot(labels, 3)
        gradient = error.T @ features / 60 + linear.weight / (c * 60)
    assert gradient.abs().max() < 1e-5 and error.mean(dim=0).abs().max() < 1e-5


def test_one_feature_of_two_balanced_classes_in_closed_form():
    """By symmetry w_1 = -w_0 = w with sigmoid(-2w) = 2w / (C N), solved here by bisection."""
    features, labels = torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([1, 0])
    linear = zero_layer(1, 2, torch.float64)
    fit(linear, features, labels, 4.0)
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        grows = 1 / (1 + math.exp(2 * middle)) > middle / 8
        low, high = (middle, high) if grows else (low, middle)
    assert linear.weight[1].item() == pytest.approx(low, abs=1e-5)
    assert linear.weight[0].item() == pytest.approx(-low, abs=1e-5)


def test_the_candidate_with_the_best_validation_accuracy_is_kept(tiny_trainer, capsys):
    argv = ("OPTIM.MAX_EPOCH", 1, "TRAINER.LINEARPROBE.C", "(0.01, 1.0, 1000.0)")
    trainer = tiny_trainer("LinearProbe", *argv)
    trainer.train()
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("C ")]
    accuracy = [float(line.split()[-1]) for line in lines]
    assert len(accuracy) == 3
    assert trainer._accuracy_on_validation() == pytest.approx(max(accuracy), abs=0.01)
    again = tiny_trainer("LinearProbe", *argv, output="again")
    again.load_model(trainer.output_dir, epoch=1)
    images = next(iter(trainer.dm.test_loader))["img"]
    assert torch.equal(again.model_inference(images), trainer.model_inference(images))


def test_its_weights_do_not_fit_other_classes(tiny_trainer):
    trainer = tiny_trainer("LinearProbe", "OPTIM.MAX_EPOCH", 1)
    trainer.train()
    argv = ("OPTIM.MAX_EPOCH", 1, "DATASET.SUBSAMPLE_CLASSES", "new")
    new = tiny_trainer("LinearProbe", *argv, output="new")
    with pytest.raises(ValueError, match="trained on 6 classes .* here are 3 others"):
        new.load_model(trainer.output_dir, epoch=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("OPTIM.MAX_EPOCH", 2), "OPTIM.MAX_EPOCH must be 1, .* got 2"),
        (("TRAINER.LINEARPROBE.C", "(0.0,)"), r"TRAINER.LINEARPROBE.C must be .* got \(0.0,\)"),
    ],
)
def test_mistakes_are_named(tiny_argv, capsys, options, message):
    import re

    argv = tiny_argv("LinearProbe", "OPTIM.MAX_EPOCH", 1, *options)
    assert train.main(argv) == 1
    assert re.search(message, capsys.readouterr().err)
