"""CLIP-LoRA: updates are those of the weights, steps are those of the paper."""

import copy
import math

import pytest
import torch
from torch.nn import functional as F

import train
from promptkit.backbones.openai_clip import OpenAIBackbone, random_clip
from promptkit.encoders.image_encoder import encode_image
from promptkit.encoders.low_rank import LowRank
from promptkit.encoders.standing_in import IMAGES, TEXT
from promptkit.encoders.text_encoder import encode_prompts, encode_prompts_reference
from tests.trainers.resuming import killed_and_resumed


@pytest.fixture
def moved(tiny_trainer):
    """A trainer whose updates are not at zero."""
    trainer = tiny_trainer("CLIPLoRA", "TRAINER.CLIPLORA.R", 3, "TRAINER.CLIPLORA.ALPHA", 2.0)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in trainer.learner.up.values():
            parameter.copy_(0.1 * torch.randn_like(parameter))
    return trainer


def merged(trainer):
    """A CLIP whose weights were changed for good, literally."""
    model, learner = copy.deepcopy(trainer.clip_model), trainer.learner
    for encoder, blocks in (
        (TEXT, model.text_blocks),
        (IMAGES, model.visual.transformer.resblocks),
    ):
        for layer, block in enumerate(blocks):
            width = block.attn.embed_dim
            for place, part in enumerate("qkv"):
                key = f"{encoder}_{layer}_{part}"
                update = 2.0 / math.sqrt(3) * learner.up[key] @ learner.down[key]
                block.attn.in_proj_weight.data[place * width : (place + 1) * width] += update
    return model


def test_features_are_those_of_changed_weights(moved):
    model, images = merged(moved), next(iter(moved.dm.test_loader))["img"]
    moved.set_model_mode("eval")
    with torch.no_grad():
        expected = F.normalize(encode_prompts_reference(model, moved.sentences), dim=-1)
        torch.testing.assert_close(moved.text_features(), expected, rtol=1e-4, atol=1e-5)
        with moved.learner.applied(moved.clip_model, TEXT):
            found = F.normalize(encode_prompts_reference(moved.clip_model, moved.sentences), dim=-1)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        expected = F.normalize(model.encode_image(images), dim=-1)
        torch.testing.assert_close(moved.image_features(images), expected, rtol=1e-4, atol=1e-5)
        assert (
            expected - F.normalize(encode_image(moved.clip_model, images), dim=-1)
        ).abs().max() > 0.01


def test_gradients_are_those_of_the_product(moved):
    """d loss / d B = scale (d loss / d W) A^t, with the gradient of the changed weights."""
    moved.set_model_mode("train")
    model = merged(moved)
    weight = model.text_blocks[0].attn.in_proj_weight.requires_grad_()
    out = encode_prompts(model, moved.sentences).square().sum()
    (wanted,) = torch.autograd.grad(out, weight)
    with moved.learner.applied(moved.clip_model, TEXT):
        out = encode_prompts(moved.clip_model, moved.sentences).square().sum()
    up, down = moved.learner.up["text_0_k"], moved.learner.down["text_0_k"]
    (found,) = torch.autograd.grad(out, up)
    width = weight.shape[1]
    expected = 2.0 / math.sqrt(3) * wanted[width : 2 * width] @ down.detach().T
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_nothing_of_clip_is_changed_also_after_an_error(moved):
    before = {key: value.clone() for key, value in moved.clip_model.state_dict().items()}
    for dropout in (0.0, 0.5):
        moved.learner.dropout = dropout
        with pytest.raises(OSError), moved.learner.applied(moved.clip_model, IMAGES):
            raise OSError
    after = moved.clip_model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert not any("branch" in vars(block) for block in moved.clip_model.text_blocks)


def test_dropout_is_right_in_the_mean_and_off_in_evaluation(moved):
    learner, block = moved.learner, moved.clip_model.text_blocks[0]
    x = torch.randn(2, 3, block.attn.embed_dim)
    learner.dropout, draws = 0.25, 4000
    with torch.no_grad():
        mean = sum(learner._branch_of("text_0", x) for _ in range(draws)) / draws
        expected = F.linear(x, learner._update("text_0", block))
        assert (mean - expected).abs().max() < 0.1 * expected.abs().max()
        assert not torch.equal(learner._branch_of("text_0", x), expected)
        learner.train()
        dropped = moved.text_features()
        learner.eval()
        kept = moved.text_features()
        learner.dropout = 0.0
    assert torch.equal(moved.text_features(), kept) and not torch.equal(dropped, kept)


def test_it_begins_as_zero_shot_clip(tiny_trainer):
    trainer, other = tiny_trainer("CLIPLoRA"), tiny_trainer("ZeroshotCLIP", output="z")
    images = next(iter(trainer.dm.test_loader))["img"]
    torch.testing.assert_close(
        trainer.model_inference(images), other.model_inference(images), rtol=1e-5, atol=1e-4
    )


def test_published_size():
    """184,320 of ViT-B/16: rank 2, three projections, twelve layers, widths 768 and 512."""
    model = OpenAIBackbone(random_clip("ViT-B/16", image_layers=1, text_layers=1))
    learner = LowRank(model, encoders=(TEXT, IMAGES), parts="qkv", rank=2, alpha=1.0, dropout=0.25)
    assert 12 * sum(p.numel() for p in learner.parameters()) == 184_320
    bound = math.sqrt(6 / ((1 + 5) * 768))  # kaiming-uniform with a = sqrt 5
    assert learner.down["images_0_q"].abs().max() <= bound
    assert not any(parameter.any() for parameter in learner.up.values())


def test_steps_are_counted_by_shots_and_the_rate_falls_to_its_lowest(tiny_trainer):
    trainer = tiny_trainer("CLIPLoRA", "TRAINER.CLIPLORA.ITERATIONS", 2, "DATASET.NUM_SHOTS", 3)
    rates = []
    update = trainer.update
    trainer.update = lambda parts: (rates.append(trainer.get_current_lr()), update(parts))
    trainer.train()
    assert len(rates) == sum(trainer.stages) == 6 and trainer.max_epoch == 6  # one batch an epoch
    for index, rate in enumerate(rates):
        expected = 1e-6 + (2e-4 - 1e-6) * 0.5 * (1 + math.cos(math.pi * index / 6))
        assert rate == pytest.approx(expected, rel=1e-6)


def test_killed_and_resumed_it_ends_with_the_same_updates(tiny_trainer):
    options = "TRAINER.CLIPLORA.DROPOUT", 0.25, "TRAIN.CHECKPOINT_FREQ", 1
    whole = tiny_trainer("CLIPLoRA", *options, output="whole")
    whole.train()
    resumed = killed_and_resumed(tiny_trainer, "CLIPLoRA", *options, epoch=1)
    again = resumed.learner.state_dict()
    assert all(torch.equal(again[key], value) for key, value in whole.learner.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("OPTIM.MAX_EPOCH", 3), "OPTIM.MAX_EPOCH must be 1 with CLIPLoRA"),
        (("FEATURES.VIEWS", 1), "FEATURES.VIEWS must be 0 with CLIPLoRA"),
        (("FEATURES.TRAIN_STORE", "on"), "CLIPLoRA changes the image encoder"),
        (("TRAINER.CLIPLORA.PARAMS", "qo"), "PARAMS must be some of the letters qkv; got 'qo'"),
        (
            ("TRAINER.CLIPLORA.DROPOUT", 0.1, "TRAINER.CLIPLORA.TEXT_ENCODER", "reference"),
            "DROPOUT needs TEXT_ENCODER fast",
        ),
    ],
)
def test_mistakes_are_named(tiny_argv, capsys, options, message):
    assert train.main(tiny_argv("CLIPLoRA", *options)) == 1
    assert message in capsys.readouterr().err
