"""TCP against its formula; its sentences, its layer, its eps."""

import pytest
import torch

import train
from promptkit.prompts import class_aware
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)

ADAM = ("OPTIM.NAME", "adam")


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("weight", [8.0, 0.5])
def test_logits_losses_and_gradients_are_the_formulas(tiny_trainer, layer, weight):
    trainer = tiny_trainer("TCP", "TRAINER.TCP.LAYER", layer, "TRAINER.TCP.W", weight)
    model = trainer.clip_model

    def literal(p, images, labels):
        names = names_of(trainer)
        h = [text_feature(model, f"a drawing of a {name}.") for name in names]
        s = []
        for name, hand in zip(names, h, strict=True):
            hidden = hand @ p["meta_net.linear1.weight"].T + p["meta_net.linear1.bias"]
            hidden = hidden * torch.sigmoid(1.702 * hidden)
            tokens = hidden @ p["meta_net.linear2.weight"].T + p["meta_net.linear2.bias"]
            layers = {layer: tokens.reshape(4, 64)}
            s.append(text_feature(model, f"X X X X {name}.", p["ctx"], layers))
        s, z = torch.stack(s), torch.stack([image_feature(model, x) for x in images])
        logits = scale_of(trainer) * z @ s.T
        distance = torch.stack([1 - a @ b for a, b in zip(s, h, strict=True)]).mean()
        ce = cross_entropy(logits, labels)
        return logits, {"ce": ce, "distance": distance, "loss": ce + weight * distance}

    assert len(assert_trainer_is_literal(trainer, literal)) == 5


def test_words_follow_the_class_name_as_published(tiny_trainer, monkeypatch):
    monkeypatch.setitem(class_aware.ENDINGS, "TinyShapes", "{}, a type of pet.")
    trainer = tiny_trainer("TCP")
    context = trainer.learner.ctx.detach().double()
    tokens = trainer.learner().injection.tokens.detach().double()
    expected = [
        text_feature(trainer.clip_model, f"X X X X {name}, a type of pet.", context, {1: token})
        for name, token in zip(names_of(trainer), tokens, strict=True)
    ]
    found = trainer.text_features().detach().double()
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-5)


def test_context_starts_random_and_adams_eps_is_the_key(tiny_trainer):
    trainer = tiny_trainer("TCP", *ADAM)
    assert trainer.learner.ctx.std().item() == pytest.approx(0.02, rel=0.2)
    assert [group["eps"] for group in trainer.optim.param_groups] == [1e-3]
    trainer = tiny_trainer("TCP", *ADAM, "TRAINER.TCP.ADAM_EPS", 1e-8, output="other")
    assert [group["eps"] for group in trainer.optim.param_groups] == [1e-8]


def test_a_layer_that_the_encoder_does_not_have_is_refused(tiny_argv, capsys):
    assert train.main(tiny_argv("TCP", "TRAINER.TCP.LAYER", 8)) == 1
    assert "TRAINER.TCP.LAYER must be from 1 to 2" in capsys.readouterr().err
