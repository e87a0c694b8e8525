"""Weights in the layout of Hugging Face's CLIPModel, against transformers where it is installed."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from promptkit.backbones.opening import open_backbone
from promptkit.encoders.image_encoder import encode_image
from promptkit.encoders.text_encoder import encode_prompts
from promptkit.prompts.sentences import fixed_prompts

SIZES = {
    "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 1,
}  # fmt: skip
SENTENCES = ["a photo of a cat.", "a much longer photo of an annual crop land."]


@pytest.fixture
def saved(tmp_path):
    """Saves a random CLIPModel with an activation; gives it and its folder."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")

    def save(activation: str, **sizes):
        torch.manual_seed(3)
        own = {**SIZES, "hidden_act": activation, **sizes}
        config = transformers.CLIPConfig(
            text_config=own | {"eos_token_id": 49407, "vocab_size": 49408},
            vision_config=own | {"image_size": 32, "patch_size": 16},
            projection_dim=48,
        )
        model = transformers.CLIPModel(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        model.save_pretrained(tmp_path)
        return model, tmp_path

    return save


def features(found) -> torch.Tensor:
    return getattr(found, "pooler_output", found)  # which newer releases wrap


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_features_are_those_of_transformers(saved, activation):
    theirs, folder = saved(activation)
    model = open_backbone(str(folder / "model.safetensors"))
    assert (model.activation, model.images.size, model.embed_dim) == (activation, 32, 48)
    images, ids = torch.randn(2, 3, 32, 32), model.tokenizer(SENTENCES)
    prompts = fixed_prompts(model, SENTENCES, classnames=SENTENCES)
    with torch.no_grad():
        text, image = theirs.get_text_features(ids), theirs.get_image_features(images)
        ours = encode_prompts(model, prompts), encode_image(model, images)
    for found, expected in zip(ours, (features(text), features(image)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_without_its_configuration_the_activation_must_be_said(saved):
    _, folder = saved("gelu")
    (folder / "config.json").unlink()
    with pytest.raises(ValueError, match="does not say which activation its CLIP has"):
        open_backbone(str(folder / "model.safetensors"))
    assert open_backbone(str(folder / "model.safetensors"), "gelu").activation == "gelu"


def test_what_openais_clip_cannot_be_is_refused(saved):
    _, folder = saved("gelu", num_attention_heads=2)
    with pytest.raises(ValueError, match="2 heads for a width of 64; OpenAI's CLIP has heads of 6"):
        open_backbone(str(folder / "model.safetensors"))
    _, folder = saved("relu")
    with pytest.raises(ValueError, match="config.json has the activation relu; it must be quick_g"):
        open_backbone(str(folder / "model.safetensors"))


def test_a_tensor_too_many_or_missing_is_named(saved):
    _, folder = saved("gelu")
    path = folder / "model.safetensors"
    state = load_file(path)
    save_file(state | {"text_model.extra": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="has 'text_model.extra', which no CLIPModel has"):
        open_backbone(str(path))
    del state["text_model.encoder.layers.1.self_attn.k_proj.bias"]
    save_file(state, path)
    with pytest.raises(ValueError, match="lacks 'self_attn.k_proj.bias' in a layer"):
        open_backbone(str(path))


def test_safetensors_and_open_clips_configuration_say_the_activation(tmp_path):
    from tests.conftest import make_tiny_clip

    state = {key: value.clone() for key, value in make_tiny_clip().state_dict().items()}
    save_file(state, tmp_path / "own.safetensors", {"activation": "gelu"})
    assert open_backbone(str(tmp_path / "own.safetensors")).activation == "gelu"
    save_file(state, tmp_path / "open_clip_model.safetensors")
    for model, activation in (({"quick_gelu": True}, "quick_gelu"), ({}, "gelu")):
        (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": model}))
        found = open_backbone(str(tmp_path / "open_clip_model.safetensors"))
        assert found.activation == activation
