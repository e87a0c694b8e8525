"""KgCoOp against its formula."""

import clip
import pytest
import torch
from torch.nn import functional as F

import train


def literal_loss(trainer, images, labels, weight: float) -> torch.Tensor:
    """Cross-entropy + weight * mean(1 - cos), class by class, 77 tokens each, in float64."""
    model = trainer.clip_model
    logits, distances = [], []
    features = F.normalize(model.encode_image(images).double(), dim=-1)
    names = [name.replace("_", " ") for name in trainer.dm.dataset.classnames]
    template = trainer.dm.dataset.template
    for name in names:
        tokens = clip.tokenize([f"X X X X {name}."])
        embedded = model.token_embedding(tokens)
        embedded = torch.cat([embedded[:, :1], trainer.learner.ctx[None], embedded[:, 5:]], dim=1)
        x = model.transformer((embedded + model.positional_embedding).transpose(0, 1))
        x = model.ln_final(x.transpose(0, 1))[0, tokens[0].argmax()] @ model.text_projection
        soft = F.normalize(x.double(), dim=0)
        hand = model.encode_text(clip.tokenize([template.format(name)]))[0].double()
        distances.append(1 - soft @ F.normalize(hand, dim=0))
        logits.append(model.logit_scale.exp().double() * features @ soft)
    ce = F.cross_entropy(torch.stack(logits, dim=1), labels)
    return ce + weight * torch.stack(distances).mean()


@pytest.mark.parametrize("weight", [8.0, 0.5])
def test_loss_and_gradient_equal_a_literal_forward_pass(tiny_trainer, weight):
    trainer = tiny_trainer("KgCoOp", "TRAINER.KGCOOP.W", weight)
    with torch.no_grad():
        trainer.learner.ctx += 0.3 * torch.randn(4, 64)
    images, labels = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
    expected = literal_loss(trainer, images, labels, weight)
    (expected_gradient,) = torch.autograd.grad(expected, trainer.learner.ctx)
    loss = trainer.loss(images, labels)["loss"]
    (gradient,) = torch.autograd.grad(loss, trainer.learner.ctx)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        gradient, expected_gradient, rtol=1e-4, atol=1e-5 * float(expected_gradient.abs().max())
    )


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
