"""KgCoOp against its formula."""

import pytest
import torch

import train
from promptkit import guided_trainer
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)


@pytest.mark.parametrize("weight", [8.0, 0.5])
def test_logits_losses_and_gradients_are_the_formulas(tiny_trainer, weight):
    trainer = tiny_trainer("KgCoOp", "TRAINER.KGCOOP.W", weight)
    model = trainer.clip_model

    def literal(p, images, labels):
        names = names_of(trainer)
        s = torch.stack([text_feature(model, f"X X X X {name}.", p["ctx"]) for name in names])
        h = torch.stack([text_feature(model, f"a drawing of a {name}.") for name in names])
        z = torch.stack([image_feature(model, x) for x in images])
        logits = scale_of(trainer) * z @ s.T
        ce, distance = cross_entropy(logits, labels), (1 - (s * h).sum(1)).mean()
        return logits, {"ce": ce, "distance": distance, "loss": ce + weight * distance}

    assert list(assert_trainer_is_literal(trainer, literal)) == ["ctx"]


def test_the_published_sentence_of_a_data_set_is_taken(tiny_trainer, monkeypatch):
    monkeypatch.setitem(guided_trainer.TEMPLATES, "TinyShapes", "a {}, a type of shape.")
    trainer = tiny_trainer("KgCoOp")
    expected = [
        text_feature(trainer.clip_model, f"a {name}, a type of shape.")
        for name in names_of(trainer)
    ]
    found = trainer.hand_crafted.double()
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-5)


def test_it_starts_on_the_hand_crafted_view_when_the_words_are_the_same(tiny_trainer):
    trainer = tiny_trainer("KgCoOp", "DATASET.TEMPLATE", "a photo of a {}.")
    batch = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
    parts = trainer.loss(*batch)
    assert parts["distance"].item() == pytest.approx(0, abs=1e-6)
    assert parts["loss"].item() == pytest.approx(parts["ce"].item(), abs=1e-5)


def test_without_its_weight_it_is_coop_to_the_last_bit(tiny_trainer):
    contexts = []
    for name, *options in (
        ("KgCoOp", "TRAINER.KGCOOP.W", 0.0),
        ("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a"),
    ):
        trainer = tiny_trainer(name, *options, output=name)
        trainer.train()
        contexts.append(trainer.learner.ctx.detach())
    assert torch.equal(*contexts)


def test_a_larger_weight_stays_nearer(tiny_trainer):
    distances = []
    for weight in (0.0, 2.0, 8.0):
        options = ("TRAINER.KGCOOP.W", weight, "OPTIM.LR", 0.005)
        trainer = tiny_trainer("KgCoOp", *options, output=f"w{weight}")
        trainer.train()
        batch = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
        distances.append(trainer.loss(*batch)["distance"].item())
    assert distances[0] > distances[1] > distances[2] >= 0


def test_a_negative_weight_is_refused(tiny_argv, capsys):
    assert train.main(tiny_argv("KgCoOp", "TRAINER.KGCOOP.W", -1.0)) == 1
    assert "TRAINER.KGCOOP.W must be at least 0; got -1.0" in capsys.readouterr().err
