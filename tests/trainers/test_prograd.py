"""ProGrad against its formula; the projection; the context's odd start."""

import clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import train
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)
from trainers import prograd

PHOTO = ("DATASET.TEMPLATE", "a photo of a {}.")
SMALL = ("TRAINER.PROGRAD.N_CTX", 6)


def literal(trainer, temperature):
    """Both losses; "loss" is their sum, so that the gradients of both are compared."""
    model = trainer.clip_model

    def forward(p, images, labels):
        names = names_of(trainer)
        sentences = [f"X X a photo of a {name}." for name in names]
        s = torch.stack([text_feature(model, x, p["ctx"]) for x in sentences])
        h = torch.stack([text_feature(model, f"a photo of a {name}.") for name in names])
        z = torch.stack([image_feature(model, x) for x in images])
        logits, frozen = (scale_of(trainer) * z @ x.T for x in (s, h))
        target = (frozen / temperature).exp()
        target = target / target.sum(1, keepdim=True)
        scaled = logits / temperature
        log_p = scaled - scaled.exp().sum(1, keepdim=True).log()
        kl = temperature**2 * -(target * log_p).sum(1).mean()
        xe = cross_entropy(logits, labels)
        return logits, {"xe_loss": xe, "kl_loss": kl, "loss": xe + kl}

    return forward


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_logits_losses_and_gradients_are_the_formulas(tiny_trainer, temperature):
    trainer = tiny_trainer("ProGrad", *PHOTO, *SMALL, "TRAINER.PROGRAD.T", temperature)
    loss = trainer.loss

    def with_sum(images, labels):
        parts = loss(images, labels)
        return parts | {"loss": parts["xe_loss"] + parts["kl_loss"]}

    trainer.loss = with_sum
    assert list(assert_trainer_is_literal(trainer, literal(trainer, temperature))) == ["ctx"]


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_step_follows_the_projected_gradient(tiny_trainer, share):
    options = ("TRAINER.PROGRAD.LAMBDA", share, "OPTIM.MOMENTUM", 0.0, "OPTIM.WEIGHT_DECAY", 0.0)
    trainer = tiny_trainer("ProGrad", *PHOTO, *SMALL, *options)
    trainer.before_epoch()
    trainer.batch_idx, trainer.num_batches = 0, 2
    with torch.no_grad():
        trainer.learner.ctx += 0.3 * torch.randn_like(trainer.learner.ctx)
    batch = next(iter(trainer.train_loader_x))
    parts = trainer.loss(*trainer.parse_batch_train(batch))
    own, other = (
        torch.autograd.grad(parts[name], trainer.learner.ctx, retain_graph=True)[0].double()
        for name in ("xe_loss", "kl_loss")
    )
    dot = float((own * other).sum())
    expected = own - share * min(dot, 0.0) / float((other * other).sum()) * other
    before = trainer.learner.ctx.detach().double().clone()
    trainer.forward_backward(batch)
    step = (before - trainer.learner.ctx.detach().double()) / 0.05
    torch.testing.assert_close(step, expected, rtol=1e-3, atol=1e-4 * float(own.abs().max()))


vectors = st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3).map(torch.tensor)


@given(vectors, vectors)
def test_the_projection_never_goes_against_the_other_gradient(gradient, other):
    result = prograd.projected(gradient, other, 1.0)
    dot, size = (gradient * other).sum(), float(other.norm())
    if dot >= 0 or size == 0:
        assert torch.equal(result, gradient)
    else:
        assert float((result * other).sum()) == pytest.approx(0, abs=1e-4 * max(1, size) * 20)
        along = result - gradient
        torch.testing.assert_close(along * size**2, -dot * other, rtol=1e-3, atol=1e-2)


def test_the_sentence_is_in_the_last_places_and_zeros_before_it(tiny_trainer):
    trainer = tiny_trainer("ProGrad", *PHOTO)
    words = trainer.clip_model.token_embedding(clip.tokenize(["a photo of a"]))[0, 1:5]
    assert torch.equal(trainer.learner.ctx[12:], words)
    assert trainer.learner.ctx.shape == (16, 64) and not trainer.learner.ctx[:12].any()


def test_a_comma_leaves_the_last_token_behind_the_context(tiny_trainer):
    trainer = tiny_trainer("ProGrad", "DATASET.TEMPLATE", "a type of pet, a photo of a {}.")
    ids = clip.tokenize(["a type of pet, a photo of a"])[0, 1:10]
    embedded = trainer.clip_model.token_embedding(ids)
    assert torch.equal(trainer.learner.ctx[8:], embedded[:8])
    assert torch.equal(trainer.learner().prefix[17], embedded[8])


def test_published_sentences_and_random_context(tiny_trainer, monkeypatch):
    monkeypatch.setitem(prograd.TEMPLATES, "TinyShapes", "a texture of {}.")
    trainer = tiny_trainer("ProGrad")
    words = trainer.clip_model.token_embedding(clip.tokenize(["a texture of"]))[0, 1:4]
    assert torch.equal(trainer.learner.ctx[13:], words)
    trainer = tiny_trainer("ProGrad", "TRAINER.PROGRAD.CTX_INIT", "", output="random")
    assert trainer.learner.ctx.std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("DATASET.TEMPLATE", "{} texture."), "needs a sentence that ends with the class name"),
        ((*PHOTO, "TRAINER.PROGRAD.N_CTX", 3), "N_CTX must be at least 4, the words of"),
        (("TRAINER.PROGRAD.T", 0.0), "TRAINER.PROGRAD.T must be above 0"),
        (("TRAINER.PROGRAD.LAMBDA", -1.0), "TRAINER.PROGRAD.LAMBDA must be at least 0"),
    ],
)
def test_what_does_not_fit_is_refused(tiny_argv, capsys, options, message):
    assert train.main(tiny_argv("ProGrad", *options)) == 1
    assert message in capsys.readouterr().err
