"""MaPLe against its formula; its coupling and its start."""

import clip
import pytest
import torch

import train
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)


def literal(trainer):
    def forward(p, images, labels):
        model, depth = trainer.clip_model, trainer.options.prompt_depth
        text, image = {}, {0: p["ctx"] @ p["proj.weight"].T + p["proj.bias"]}
        for layer in range(1, depth):
            text[layer] = p[f"compound_prompts_text.{layer - 1}"]
            name = f"compound_prompt_projections.{layer - 1}"
            image[layer] = text[layer] @ p[f"{name}.weight"].T + p[f"{name}.bias"]
        sentences = [f"a photo of a {name}." for name in names_of(trainer)]
        s = torch.stack([text_feature(model, x, p["ctx"], text) for x in sentences])
        z = torch.stack([image_feature(model, x, image) for x in images])
        logits = scale_of(trainer) * z @ s.T
        return logits, {"loss": cross_entropy(logits, labels)}

    return forward


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("num_context", [2, 4])
def test_logits_loss_and_gradients_are_the_formulas(tiny_trainer, depth, num_context):
    options = ("TRAINER.MAPLE.PROMPT_DEPTH", depth, "TRAINER.MAPLE.N_CTX", num_context)
    trainer = tiny_trainer("MaPLe", *options)
    gradients = assert_trainer_is_literal(trainer, literal(trainer))
    assert len(gradients) == 3 + 3 * (depth - 1)


def test_two_tokens_are_learned_and_the_other_words_stay(tiny_trainer):
    trainer = tiny_trainer("MaPLe")
    embedded = trainer.clip_model.token_embedding(clip.tokenize(["a photo of a"]))[0]
    assert torch.equal(trainer.learner.ctx, embedded[1:3])
    assert torch.equal(trainer.learner().prefix[3:5], embedded[3:5])


def test_maps_of_deeper_layers_start_as_copies_of_one(tiny_trainer):
    trainer = tiny_trainer("MaPLe", "TRAINER.MAPLE.PROMPT_DEPTH", 2)
    learner = trainer.learner
    trainer = tiny_trainer("MaPLe", "TRAINER.MAPLE.PROMPT_DEPTH", 1, output="other")
    assert len(trainer.learner.compound_prompt_projections) == 0
    (deep,) = learner.compound_prompt_projections
    assert not torch.equal(deep.weight, learner.proj.weight)


def test_words_are_used_up_to_four_tokens(tiny_trainer, capsys):
    trainer = tiny_trainer("MaPLe", "TRAINER.MAPLE.N_CTX", 5)
    assert "CTX_INIT has no effect with 5 context tokens" in capsys.readouterr().out
    assert trainer.learner.ctx.std().item() == pytest.approx(0.02, rel=0.3)


@pytest.mark.parametrize("depth", [0, 3])
def test_a_depth_that_no_encoder_has_is_refused(tiny_argv, capsys, depth):
    assert train.main(tiny_argv("MaPLe", "TRAINER.MAPLE.PROMPT_DEPTH", depth)) == 1
    assert "PROMPT_DEPTH must be from 1 to 2, the number" in capsys.readouterr().err
