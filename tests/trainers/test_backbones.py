"""Text-only methods run on every OpenAI architecture; others refuse a ResNet by name.

The models are random, with the real widths, heads and resolutions; their encoders are cut to one
block a stage or one layer for images, and to two layers for texts.
"""

import copy

import clip
import pytest
import torch
from clip.model import CLIP

import train
from dassl.engine import TRAINER_REGISTRY, build_trainer
from promptkit import trainer as base
from promptkit.backbones.openai_clip import ARCHITECTURES, OpenAIBackbone, random_clip
from promptkit.vision_trainer import VisionPromptTrainer

TEXT_ONLY = ("CoCoOp", "CoOp", "E2MIM", "KgCoOp", "ProGrad", "TCP")
VISION = ("CoPrompt", "IVLP", "MMA", "MMRL", "MaPLe", "PromptSRC", "VPT")
LARGE = ("RN50x16", "RN50x64")  # seconds each, and nothing that RN50x4 has not but widths
FOR_ALL = ("RN50", "ViT-B/32")  # these for all methods, others for a plain and a layered one


def backbone_of(name: str) -> OpenAIBackbone:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = random_clip(name, image_layers=1, text_layers=2)
    return OpenAIBackbone(model.eval().requires_grad_(False))


def test_every_architecture_is_here():
    assert sorted(ARCHITECTURES) == sorted(clip.available_models())


@pytest.mark.parametrize(
    "backbone",
    [
        pytest.param(name, marks=pytest.mark.large if name in LARGE else ())
        for name in ARCHITECTURES
    ],
)
def test_text_only_methods_train_and_classify(tiny_argv, monkeypatch, backbone):
    model, size = backbone_of(backbone), ARCHITECTURES[backbone][1]
    untouched = copy.deepcopy(model.visual)  # in OpenAI's memory layout
    monkeypatch.setattr(base, "open_backbone", lambda *_: model)
    monkeypatch.setattr(OpenAIBackbone, "weights_hash", lambda self: backbone)
    features = None
    for name in TEXT_ONLY if backbone in FOR_ALL else ("CoOp", "TCP"):
        argv = tiny_argv(
            name, "INPUT.SIZE", f"({size}, {size})", "DATASET.SUBSAMPLE_CLASSES", "base",
            "DATALOADER.TRAIN_X.BATCH_SIZE", 1,
            *(("TRAINER.TCP.LAYER", 1) if name == "TCP" else ()),
        )  # fmt: skip
        trainer = build_trainer(train.setup_cfg(train.parse_args(argv)))
        images, labels = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
        if features is None:  # the image encoder is the same for all
            features = trainer.image_features(images)
            plain = untouched(images)
            plain = plain / plain.norm(dim=1, keepdim=True)
            torch.testing.assert_close(features, plain, rtol=1e-5, atol=1e-5)
            assert features.shape == (1, ARCHITECTURES[backbone][0])
        parts = trainer.loss(features, labels)
        parts.setdefault("loss", parts.get("xe_loss"))
        gradients = torch.autograd.grad(parts["loss"], list(trainer.learner.parameters()))
        assert all(g.isfinite().all() for g in gradients), name
        assert max(g.abs().max() for g in gradients) > 0, name
        logits = trainer.model_inference(features)
        assert logits.shape == (1, 3) and logits.isfinite().all()


@pytest.mark.parametrize("name", VISION)
def test_methods_that_prompt_images_refuse_a_resnet(tiny_argv, monkeypatch, capsys, name):
    assert issubclass(TRAINER_REGISTRY.get(name), VisionPromptTrainer)
    monkeypatch.setattr(base, "open_backbone", lambda *_: pytest.fail("weights were loaded first"))
    assert train.main([*tiny_argv(name), "MODEL.BACKBONE.NAME", "RN50"]) == 1
    message = capsys.readouterr().err
    assert f"{name} needs an image encoder with tokens, and that of RN50 is a ResNet" in message
    assert "ViT-B/16" in message


def test_a_resnet_in_a_file_is_refused_as_well(tiny_argv, tmp_path, capsys):
    model = CLIP(32, 32, (1, 1, 1, 1), 64, None, 77, 49408, 64, 1, 2)
    torch.save(model.state_dict(), tmp_path / "resnet.pt")
    argv = [*tiny_argv("VPT"), "MODEL.BACKBONE.NAME", str(tmp_path / "resnet.pt")]
    argv += ["MODEL.BACKBONE.ACTIVATION", "quick_gelu"]
    assert train.main(argv) == 1
    assert "resnet.pt is a ResNet" in capsys.readouterr().err
