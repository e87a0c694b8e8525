"""PromptSRC against its formula; its averaging, whole and resumed."""

import clip
import numpy as np
import pytest
import torch

from promptkit.objectives.averaging import gaussian_weights
from tests.trainers.literal import (
    assert_trainer_is_literal,
    block,
    cross_entropy,
    image_feature,
    names_of,
    norm,
    scale_of,
    text_feature,
)

SIXTY = [
    words if "{}" in words else f"{words} {{}}."
    for words in """
a photo of a
a bad photo of a
a photo of many
a sculpture of a
a photo of the hard to see
a low resolution photo of the
a rendering of a
graffiti of a
a bad photo of the
a cropped photo of the
a tattoo of a
the embroidered
a photo of a hard to see
a bright photo of a
a photo of a clean
a photo of a dirty
a dark photo of the
a drawing of a
a photo of my
the plastic
a photo of the cool
a close-up photo of a
a black and white photo of the
a painting of the
a painting of a
a pixelated photo of the
a sculpture of the
a bright photo of the
a cropped photo of a
a plastic
a photo of the dirty
a jpeg corrupted photo of a
a blurry photo of the
a photo of the
a good photo of the
a rendering of the
a {} in a video game.
a photo of one
a doodle of a
a close-up photo of the
the origami
the {} in a video game.
a sketch of a
a doodle of the
a origami
a low resolution photo of a
the toy
a rendition of the
a photo of the clean
a photo of a large
a rendition of a
a photo of a nice
a photo of a weird
a blurry photo of a
a cartoon
art of a
a sketch of the
a embroidered
a pixelated photo of a
itap of the
""".strip().splitlines()
]
PLAIN = tuple(
    part
    for name in ("TEXT", "IMAGE", "LOGITS")
    for part in (f"TRAINER.PROMPTSRC.{name}_LOSS_WEIGHT", "0.0")
)


def teacher(model, names):
    """Mean over sixty templates of features that are not normalised, then normalised."""
    rows = []
    for name in names:
        total = 0
        for template in SIXTY:
            ids = clip.tokenize([template.format(name)])[0]
            x = model.token_embedding.weight.double()[ids] + model.positional_embedding.double()
            for module in model.transformer.resblocks:
                x = block(x, module, causal=True)
            end = ids.tolist().index(49407)
            total = total + norm(x, model.ln_final)[end] @ model.text_projection.double()
        rows.append(total / total.norm())
    return torch.stack(rows)


def test_logits_losses_and_gradients_are_the_formulas(tiny_trainer):
    trainer = tiny_trainer("PromptSRC", "DATASET.SUBSAMPLE_CLASSES", "base")
    model = trainer.clip_model
    h = teacher(model.model, names_of(trainer)).detach()

    def literal(p, images, labels):
        text = {i: p[f"deep_text.{i - 1}"] for i in (1, 2)}
        image = {0: p["vision.ctx"], 1: p["vision.deep.0"]}
        sentences = [f"a photo of a {name}." for name in names_of(trainer)]
        s = torch.stack([text_feature(model, x, p["ctx"], text) for x in sentences])
        z = torch.stack([image_feature(model, x, image) for x in images])
        z0 = torch.stack([image_feature(model, x) for x in images])
        logits, frozen = (scale_of(trainer) * a @ b.T for a, b in ((z, s), (z0, h)))
        log_p, log_p0 = (x - x.exp().sum(1, keepdim=True).log() for x in (logits, frozen))
        parts = {
            "ce": cross_entropy(logits, labels),
            "text_loss": (s - h).abs().mean(),
            "image_loss": (z - z0).abs().mean(),
            "logits_loss": (log_p0.exp() * (log_p0 - log_p)).sum() / logits.numel(),
        }
        loss = parts["ce"] + 25 * parts["text_loss"] + 10 * parts["image_loss"]
        return logits, parts | {"loss": loss + parts["logits_loss"]}

    assert len(assert_trainer_is_literal(trainer, literal)) == 5


def test_epoch_weights_are_a_gaussian_of_sum_one():
    density = [np.exp(-((e - 15) ** 2) / 2) for e in range(1, 21)]
    assert gaussian_weights(20, 15, 1) == pytest.approx(np.array(density) / sum(density))
    far = gaussian_weights(2, 1000, 1)  # every density is below the smallest double
    assert sum(far) == pytest.approx(1) and far[1] > 0.99
    assert gaussian_weights(4, 2, 1e9) == pytest.approx([0.25] * 4)


def test_the_final_prompts_are_the_weighted_sum_of_the_epochs(tiny_trainer):
    options = ("TRAINER.PROMPTSRC.GPA_MEAN", 2.0, "OPTIM.MAX_EPOCH", 3, "TRAIN.CHECKPOINT_FREQ", 1)
    trainer = tiny_trainer("PromptSRC", *options)
    epochs = []
    add = trainer.average.add

    def noting(module, weight):
        epochs.append((weight, module.ctx.detach().clone()))
        add(module, weight)

    trainer.average.add = noting
    trainer.train()
    assert [w for w, _ in epochs] == pytest.approx(gaussian_weights(3, 2, 1))
    expected = sum(weight * context for weight, context in epochs)
    torch.testing.assert_close(trainer.learner.ctx.detach(), expected, rtol=0, atol=1e-6)
    saved = torch.load(f"{trainer.output_dir}/VLPromptLearner/model.pth.tar-3", weights_only=True)
    assert torch.equal(saved["state_dict"]["prompt_learner.ctx"], trainer.learner.ctx)


def test_without_weights_and_with_uniform_averaging_it_is_the_mean_of_ivlps_epochs(tiny_trainer):
    shape = "N_CTX_TEXT 4 N_CTX_VISION 4 PROMPT_DEPTH_TEXT 3 PROMPT_DEPTH_VISION 2".split()

    def options(name):
        keys = [f"TRAINER.{name}.{x}" if i % 2 == 0 else x for i, x in enumerate(shape)]
        return (*keys, "TRAIN.CHECKPOINT_FREQ", 1)

    parent = tiny_trainer("IVLP", *options("IVLP"), output="parent")
    parent.train()
    uniform = ("TRAINER.PROMPTSRC.GPA_STD", 1e9)
    trainer = tiny_trainer("PromptSRC", *options("PROMPTSRC"), *PLAIN, *uniform, output="child")
    trainer.train()
    states = [
        torch.load(f"{parent.output_dir}/VLPromptLearner/model.pth.tar-{e}", weights_only=True)
        for e in (1, 2)
    ]
    for name, value in trainer.learner.state_dict().items():
        mean = sum(state["state_dict"][name] for state in states) / 2
        torch.testing.assert_close(value, mean, rtol=0, atol=1e-6)
