"""VPT against its formula."""

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


@pytest.mark.parametrize("depth", [1, 2])
def test_logits_loss_and_gradients_are_the_formulas(tiny_trainer, depth):
    trainer = tiny_trainer("VPT", "TRAINER.VPT.PROMPT_DEPTH_VISION", depth)

    def literal(p, images, labels):
        layers = {0: p["ctx"]} | {i: p[f"deep.{i - 1}"] for i in range(1, depth)}
        sentences = [f"a photo of a {name}." for name in names_of(trainer)]
        s = torch.stack([text_feature(trainer.clip_model, x) for x in sentences])
        z = torch.stack([image_feature(trainer.clip_model, x, layers) for x in images])
        logits = scale_of(trainer) * z @ s.T
        return logits, {"loss": cross_entropy(logits, labels)}

    gradients = assert_trainer_is_literal(trainer, literal)
    assert len(gradients) == depth


def test_a_depth_of_none_and_stored_features_are_refused(tiny_argv, capsys):
    assert train.main(tiny_argv("VPT", "TRAINER.VPT.PROMPT_DEPTH_VISION", 0)) == 1
    assert "PROMPT_DEPTH_VISION must be from 1 to 2" in capsys.readouterr().err
    assert train.main(tiny_argv("VPT", "FEATURES.VIEWS", 1)) == 1
    assert "FEATURES.VIEWS must be 0 with VPT" in capsys.readouterr().err


def test_it_says_which_words_it_starts_from(tiny_trainer, capsys):
    tiny_trainer("VPT")
    printed = capsys.readouterr().out
    assert 'Vision Prompting Design\nInitial context: "a photo of a"\n' in printed
