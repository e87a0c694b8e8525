"""Every method on backbones of other kinds: EVA, SigLIP, CoCa, a ViT of open_clip; shrunk."""

import json

import pytest
import torch
from safetensors import safe_open

import train
import trainers  # noqa: F401  (registers the methods)
from dassl.engine import TRAINER_REGISTRY, build_trainer
from promptkit import trainer as base
from promptkit.feature_trainer import FeatureTrainer
from promptkit.use.export import export
from promptkit.use.predict import predict
from tests.promptkit.open_clip_families import backbone_of

BACKBONES = ("ViT-B-16", "EVA02-B-16", "ViT-B-16-SigLIP", "coca_ViT-B-32", "MobileCLIP-S1")
METHODS = sorted(
    name
    for name in TRAINER_REGISTRY.registered_names()
    if TRAINER_REGISTRY.get(name).__module__.startswith("trainers.")
    and not issubclass(TRAINER_REGISTRY.get(name), FeatureTrainer)
    and name not in ("CLIPLoRA", "MMRL", "MMRLpp", "ProText", "SkipTuning")  # ProText: sentences
)
SOME = ("CoCoOp", "CoOp", "IVLP", "MaPLe", "TCP", "TwoSFS", "ZeroshotCLIP")
ON_FEATURES = ("CLAP", "CLIPAdapter", "GDA", "LPPlusPlus", "TaskRes", "TipAdapter", "TipAdapterF")
# What keeps them within the shrunk towers' two layers.
DEPTHS = {
    "IVLP": ("TRAINER.IVLP.PROMPT_DEPTH_VISION", 2, "TRAINER.IVLP.PROMPT_DEPTH_TEXT", 2),
    "PromptSRC": (
        "TRAINER.PROMPTSRC.PROMPT_DEPTH_VISION", 2, "TRAINER.PROMPTSRC.PROMPT_DEPTH_TEXT", 2,
    ),
}  # fmt: skip


@pytest.fixture
def on_backbone(tiny_argv, monkeypatch):
    """Builds a trainer on a shrunk model."""

    def build(method: str, name: str):
        monkeypatch.setattr(base, "open_backbone", lambda *_: backbone_of(name))
        base_classes = "DATASET.SUBSAMPLE_CLASSES", "base"
        argv = tiny_argv(method, *base_classes, *DEPTHS.get(method, ()), output=method)
        return build_trainer(train.setup_cfg(train.parse_args(argv)))

    return build


def test_all_methods_are_found():
    assert len(METHODS) >= 12


@pytest.mark.parametrize("name", BACKBONES)
def test_methods_train_and_classify(on_backbone, name, capsys):
    for method in METHODS if name in BACKBONES[1:3] else SOME:
        trainer = on_backbone(method, name)
        said = capsys.readouterr().out.count("Every class is encoded whole")
        assert said == (name in BACKBONES[2:])
        batch = next(iter(trainer.train_loader_x))
        images, labels = trainer.parse_batch_train(batch)
        if trainer.get_model_names() and method != "LinearProbe":
            parts = trainer.loss(images, labels, *trainer.drawn(labels))
            images = images if images.dim() == 4 else images[:, 0]  # the first version of each
            loss = parts.get("loss", parts.get("xe_loss"))
            own = list(trainer.learner.parameters())
            gradients = torch.autograd.grad(loss, own, allow_unused=True)
            assert sum(x is None for x in gradients) == (
                method == "TwoSFS"
            )  # its classifier is of stage 2
            gradients = [gradient for gradient in gradients if gradient is not None]
            assert all(gradient.isfinite().all() for gradient in gradients), method
            assert max(gradient.abs().max() for gradient in gradients) > 0, method
        logits = trainer.model_inference(images)
        assert logits.shape == (len(images), 3) and logits.isfinite().all(), method


@pytest.mark.parametrize("name", ["EVA02-B-16", "ViT-B-16-SigLIP"])
def test_methods_on_features_train_and_classify(on_backbone, name):
    for method in ON_FEATURES:
        trainer = on_backbone(method, name)
        trainer.train()
        images = next(iter(trainer.train_loader_x))["img"]
        logits = trainer.model_inference(images[:2])
        assert logits.shape == (2, 3) and logits.isfinite().all(), method


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("ProLIP", "ProLIP tunes the projection matrix of OpenAI's vision transformers"),
        ("MMRL", "MMRL reads tokens of OpenAI's vision transformers"),
        ("SkipTuning", "its image encoder is not OpenAI's vision transformer. Set MODEL"),
        ("CLIPLoRA", "low-rank updates of images need OpenAI's vision transformer. Set MODEL"),
    ],
)
def test_what_needs_openais_parts_says_so(on_backbone, method, message):
    with pytest.raises(ValueError, match=message):
        on_backbone(method, "ViT-B-16-SigLIP")


def test_a_sigmoids_bias_is_in_logits_probabilities_and_exports(on_backbone, tmp_path):
    trainer = on_backbone("ZeroshotCLIP", "ViT-B-16-SigLIP")
    model, item = trainer.clip_model, trainer.dm.dataset.test[0]
    image = trainer.dm.test_loader.dataset[0]["img"][None]
    names = [name.replace("_", " ") for name in trainer.dm.dataset.classnames]
    ids = model.tokenizer([f"a drawing of a {name}." for name in names])
    expected = model.model.get_logits(image, ids)[0]  # open_clip's, with the bias of -10
    torch.testing.assert_close(trainer.model_inference(image), expected, rtol=1e-4, atol=1e-4)
    (found,) = predict(trainer, [item.impath], top=3)
    probabilities = {entry["class"]: entry["probability"] for entry in found["classes"]}
    for name, logit in zip(trainer.dm.dataset.classnames, expected[0].tolist(), strict=True):
        wanted = 1 / (1 + 2.718281828**-logit)
        assert probabilities[name] == pytest.approx(wanted, rel=1e-3)
    export(trainer, tmp_path / "classifier.safetensors")
    with safe_open(tmp_path / "classifier.safetensors", "pt") as file:
        about = file.metadata()
    assert float(about["logit_bias"]) == -10 and json.loads(about["classnames"])
    probe = on_backbone("LinearProbe", "ViT-B-16-SigLIP")
    assert probe.probabilities(torch.zeros(1, 3))[0].tolist() == pytest.approx([1 / 3] * 3)


def test_without_a_bias_probabilities_sum_to_one(on_backbone):
    trainer = on_backbone("ZeroshotCLIP", "ViT-B-16")
    assert trainer.logit_bias is None
    assert trainer.probabilities(torch.randn(2, 3)).sum(dim=1).tolist() == pytest.approx([1, 1])
