"""Image features of open_clip's architectures, with and without learned tokens."""

import copy

import pytest
import torch

from promptkit.backbones.backbone import ImageInput
from promptkit.backbones.open_clip_model import OpenClipBackbone
from promptkit.backbones.openai_clip import OpenAIBackbone
from promptkit.encoders.image_encoder import VisionTokens, encode_image
from tests.conftest import make_tiny_clip
from tests.promptkit.open_clip_families import SHARED, SIZE, WHOLE, backbone_of, open_clip

IMAGES = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
WITH_TOKENS = (
    "ViT-B-16", "ViT-B-32-quickgelu", "EVA01-g-14", "EVA02-B-16", "PE-Core-T-16-384",
    "PE-Core-bigG-14-448", "ViT-B-16-SigLIP", "ViT-L-14-CLIPA", "coca_ViT-B-32",
)  # fmt: skip


@pytest.mark.parametrize("name", SHARED + WHOLE)
def test_without_learned_tokens_they_are_open_clips(name):
    model = backbone_of(name)
    expected = model.model.encode_image(IMAGES, normalize=False)
    assert torch.equal(encode_image(model, IMAGES), expected)
    assert encode_image(model, IMAGES).shape == (2, model.embed_dim)


def test_deep_tokens_are_those_of_openais_code_on_the_same_weights():
    theirs = OpenAIBackbone(make_tiny_clip())
    model = open_clip.CLIP(
        32,
        {"image_size": SIZE, "layers": 2, "width": 64, "patch_size": 16},
        {"width": 64, "heads": 1, "layers": 3},
        quick_gelu=True,
    )
    model.load_state_dict(theirs.model.state_dict())
    ours = OpenClipBackbone(
        model.eval(),
        tokenizer=open_clip.SimpleTokenizer(),
        images=ImageInput(SIZE),
        activation="quick_gelu",
    )
    assert ours.weights_hash() == theirs.weights_hash()
    tokens = VisionTokens(torch.randn(3, 64), (torch.randn(3, 64),))
    for prompts in (None, tokens):
        expected = encode_image(theirs, IMAGES, prompts)
        torch.testing.assert_close(
            encode_image(ours, IMAGES, prompts), expected, rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("name", WITH_TOKENS)
def test_learned_tokens_reach_the_feature_layer_by_layer(name):
    model = backbone_of(name)
    way = model.image_tokens
    first, second = torch.randn(2, 3, way.width).requires_grad_()
    plain = encode_image(model, IMAGES)
    shallow = encode_image(model, IMAGES, VisionTokens(first))
    deep = encode_image(model, IMAGES, VisionTokens(first, (second,)))
    for one, other in ((plain, shallow), (shallow, deep)):
        assert (one - other).abs().max() > 1e-3
    gradients = torch.autograd.grad(deep.square().sum(), (first, second))
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    assert torch.equal(encode_image(model, IMAGES), plain)  # nothing is left behind
    order = torch.tensor([2, 0, 1])  # they have no position
    moved = VisionTokens(first[order], (second[order],))
    torch.testing.assert_close(encode_image(model, IMAGES, moved), deep, rtol=1e-4, atol=1e-5)


def test_in_eva_they_are_tokens_without_rotary_position():
    """The truth is timm's own code with register tokens, which stand where ours do."""
    timm = pytest.importorskip("timm", reason="timm is not installed")
    model = backbone_of("EVA02-B-16")
    trunk, tokens = model.visual.trunk, torch.randn(3, 64)
    registers = timm.create_model(
        "eva02_base_patch16_clip_224", img_size=SIZE, patch_size=8, embed_dim=64, depth=2,
        num_heads=2, num_reg_tokens=3, num_classes=64, global_pool="token",
    ).eval()  # fmt: skip
    state = copy.deepcopy(trunk.state_dict())
    positions = state["pos_embed"]  # of the class token and the patches
    state["pos_embed"] = torch.cat([positions[:, :1], torch.zeros(1, 3, 64), positions[:, 1:]], 1)
    registers.load_state_dict(state | {"reg_token": tokens[None]})
    with torch.no_grad():
        expected = model.visual.head(registers(IMAGES))
    found = encode_image(model, IMAGES, VisionTokens(tokens))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_encoders_without_tokens_are_told():
    assert backbone_of("RN50").image_tokens is None
    timm = pytest.importorskip("timm", reason="timm is not installed")
    from promptkit.backbones.image_tokens import image_tokens

    visual = torch.nn.Module()
    for name in ("convnext_atto", "vit_relpos_small_patch16_224", "fastvit_t8"):
        visual.trunk = timm.create_model(name)
        assert image_tokens(visual) is None


@pytest.mark.parametrize("name", ("ViT-B-16", "EVA02-B-16", "ViT-B-16-SigLIP", "coca_ViT-B-32"))
def test_half_precision_is_the_same_up_to_rounding(name):
    model = copy.deepcopy(backbone_of(name))
    ids = model.tokenizer(["a photo of a cat.", "a dog"])
    text, images = model.encode_text(ids), model.encode_image(IMAGES)
    model.halve()
    assert model.dtype == torch.float16 and model.logit_scale.dtype == torch.float32
    for full, half in ((text, model.encode_text(ids)), (images, model.encode_image(IMAGES))):
        assert half.dtype == torch.float16
        assert torch.cosine_similarity(full, half.float()).min() > 0.999
