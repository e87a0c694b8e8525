"""IVLP against its formula, with and without prompts in the images."""

import pytest
import torch

from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)


def features(trainer, p, images):
    """Prompted text features [C, E] and image features [B, E]; PromptSRC's test has its own."""
    model = trainer.clip_model
    text = {int(k.split(".")[1]) + 1: v for k, v in p.items() if k.startswith("deep_text.")}
    image = {int(k.split(".")[2]) + 1: v for k, v in p.items() if k.startswith("vision.deep.")}
    if "vision.ctx" in p:
        image[0] = p["vision.ctx"]
    sentences = [f"a photo of a {name}." for name in names_of(trainer)]
    s = torch.stack([text_feature(model, x, p["ctx"], text) for x in sentences])
    return s, torch.stack([image_feature(model, x, image) for x in images])


@pytest.mark.parametrize(("text", "vision"), [(3, 2), (1, 1), (2, 0)])
def test_logits_loss_and_gradients_are_the_formulas(tiny_trainer, text, vision):
    trainer = tiny_trainer(
        "IVLP", "TRAINER.IVLP.PROMPT_DEPTH_TEXT", text, "TRAINER.IVLP.PROMPT_DEPTH_VISION", vision
    )

    def literal(p, images, labels):
        s, z = features(trainer, p, images)
        logits = scale_of(trainer) * z @ s.T
        return logits, {"loss": cross_entropy(logits, labels)}

    gradients = assert_trainer_is_literal(trainer, literal)
    assert len(gradients) == text + vision


def test_the_published_language_only_settings(tiny_trainer, capsys):
    """MaPLe's file for it asks for no tokens in no layer of the images."""
    key = "TRAINER.IVLP.PROMPT_DEPTH_VISION"
    trainer = tiny_trainer("IVLP", "TRAINER.IVLP.N_CTX_VISION", 0, key, 0)
    assert trainer.learner.vision is None
    assert "(tokens) for Vision prompting: 0" in capsys.readouterr().out
    with pytest.raises(ValueError, match="N_CTX_VISION must be at least 1; got 0"):
        tiny_trainer("IVLP", "TRAINER.IVLP.N_CTX_VISION", 0, key, 1, output="deep")


def test_with_one_text_layer_and_no_image_prompts_it_is_coop(tiny_trainer):
    contexts = []
    for name, *options in (
        ("IVLP", "TRAINER.IVLP.PROMPT_DEPTH_TEXT", 1, "TRAINER.IVLP.PROMPT_DEPTH_VISION", 0,
         "TRAINER.IVLP.N_CTX_TEXT", 4),
        ("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a"),
    ):  # fmt: skip
        trainer = tiny_trainer(name, *options, output=name)
        trainer.train()
        contexts.append(trainer.learner.ctx.detach())
    torch.testing.assert_close(*contexts, rtol=0, atol=1e-6)


def test_a_depth_that_the_text_encoder_has_not_is_refused(tiny_trainer):
    with pytest.raises(ValueError, match="PROMPT_DEPTH_TEXT must be from 1 to 3, .*; got 4"):
        tiny_trainer("IVLP", "TRAINER.IVLP.PROMPT_DEPTH_TEXT", 4)
