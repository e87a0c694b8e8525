"""Zero-shot CLIP: one template, and the ensemble."""

import clip
import pytest
import torch
from torch.nn import functional as F

from promptkit.prompts.templates import IMAGENET_TEMPLATES_SELECT


def expected_logits(trainer, images, templates):
    names = [name.replace("_", " ") for name in trainer.dm.dataset.classnames]
    text = sum(
        F.normalize(trainer.clip_model.encode_text(clip.tokenize([t.format(n) for n in names])))
        for t in templates
    )
    image = F.normalize(trainer.clip_model.encode_image(images))
    return trainer.clip_model.logit_scale.exp() * image @ F.normalize(text).T


@pytest.mark.parametrize(
    ("name", "templates"),
    [
        ("ZeroshotCLIP", ("a drawing of a {}.",)),
        ("ZeroshotCLIP2", (*IMAGENET_TEMPLATES_SELECT, "a drawing of a {}.")),
    ],
)
def test_logits_are_clips_own(tiny_trainer, name, templates):
    images = None
    for output in ("one", "two"):  # built twice: the list of templates must not grow
        trainer = tiny_trainer(name, output=output)
        assert trainer.templates() == templates
        images = next(iter(trainer.dm.test_loader))["img"]
        torch.testing.assert_close(
            trainer.model_inference(images), expected_logits(trainer, images, templates),
            rtol=1e-4, atol=1e-4,
        )  # fmt: skip
    assert len(images) == 32


def test_template_key_overrides_the_data_sets(tiny_trainer):
    trainer = tiny_trainer("ZeroshotCLIP", "DATASET.TEMPLATE", "{} texture.")
    assert trainer.templates() == ("{} texture.",)


def test_training_is_refused(tiny_trainer):
    with pytest.raises(ValueError, match="trains nothing.*--eval-only"):
        tiny_trainer("ZeroshotCLIP").train()
