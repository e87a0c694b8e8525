"""Opening CLIP files in both of OpenAI's formats, both architectures; and refusing others."""

import clip
import pytest
import torch
from clip.model import CLIP, ResidualAttentionBlock

from pocket.weights import weights_path
from promptkit.backbones.loading import load_clip
from promptkit.backbones.openai_clip import OpenAIBackbone
from promptkit.encoders.image_encoder import encode_image
from promptkit.encoders.text_encoder import encode_prompts
from promptkit.prompts.sentences import fixed_prompts
from promptkit.trainer import PromptTrainer

ARCHITECTURES = {
    "vit": {"image_resolution": 32, "vision_layers": 2, "vision_width": 64, "vision_patch_size": 8},
    "resnet": {
        "image_resolution": 64, "vision_layers": (1, 1, 1, 1), "vision_width": 64,
        "vision_patch_size": None,
    },
}  # fmt: skip


def random_clip(architecture: str) -> CLIP:
    torch.manual_seed(1)
    return CLIP(
        embed_dim=64, context_length=77, vocab_size=49408, transformer_width=64,
        transformer_heads=1, transformer_layers=2, **ARCHITECTURES[architecture],
    ).eval()  # fmt: skip


def weights_hash(model: CLIP) -> str:
    return OpenAIBackbone(model).weights_hash()


def save(model: CLIP, path, kind: str) -> str:
    if kind == "state dict":
        torch.save(model.state_dict(), path)
        return str(path)

    class WithSizes(torch.nn.Module):
        """OpenAI's archives also hold three sizes as tensors."""

        def __init__(self):
            super().__init__()
            for name, value in model.named_children():
                setattr(self, name, value)
            for name, value in model.named_parameters(recurse=False):
                self.register_parameter(name, value)
            for name in ("input_resolution", "context_length", "vocab_size"):
                self.register_buffer(name, torch.tensor(77))

        def forward(self, images):
            return self.visual(images)

    size = model.visual.input_resolution
    torch.jit.save(torch.jit.trace(WithSizes(), torch.zeros(1, 3, size, size)), str(path))
    return str(path)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("kind", ["state dict", "jit archive"])
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_local_files_open_and_our_encoders_equal_clips_own(tmp_path, architecture, kind):
    theirs = random_clip(architecture)
    path = save(theirs, tmp_path / "model.pt", kind)
    model = load_clip(path, "auto" if kind == "jit archive" else "quick_gelu")
    clip.load(path, device="cpu")  # which opens it too, but rounds to half precision
    assert not any(p.requires_grad for p in model.parameters()) and not model.training
    assert model.dtype == torch.float32
    size = model.visual.input_resolution
    images = torch.randn(2, 3, size, size)
    sentences = ["a photo of a cat.", "a much longer photo of an annual crop land."]
    with torch.no_grad():
        torch.testing.assert_close(
            model.encode_image(images), theirs.encode_image(images), rtol=1e-5, atol=1e-5
        )
        backbone = OpenAIBackbone(model)
        prompts = fixed_prompts(backbone, sentences, classnames=["a", "b"])
        ours = encode_prompts(backbone, prompts)
        expected = theirs.encode_text(clip.tokenize(sentences))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_base_trainers_image_features_are_clips_in_unit_norm(tiny_clip):
    trainer = PromptTrainer.__new__(PromptTrainer)
    trainer.clip_model = tiny_clip
    images = torch.randn(3, 3, 32, 32)
    expected = tiny_clip.encode_image(images)
    expected = expected / expected.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(PromptTrainer.image_features(trainer, images), expected)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_hash_is_of_the_weights_not_of_the_file(tmp_path):
    model = random_clip("vit")
    first = load_clip(save(model, tmp_path / "a.pt", "state dict"), "quick_gelu")
    second = load_clip(save(model, tmp_path / "b.pt", "jit archive"))
    assert weights_hash(first) == weights_hash(second)
    with torch.no_grad():
        second.logit_scale += 1
    assert weights_hash(first) != weights_hash(second)
    assert weights_hash(first) != weights_hash(load_clip(str(tmp_path / "a.pt"), "gelu"))


def test_unknown_backbone_names_the_nearest():
    with pytest.raises(ValueError, match=r"got 'ViT-B16'\. Did you mean 'ViT-B/16'\?"):
        load_clip("ViT-B16")


@pytest.mark.parametrize("damage", ["missing", "visual missing", "shape"])
def test_damaged_state_dict_is_named(tmp_path, damage):
    state = random_clip("vit").state_dict()
    if damage == "missing":
        del state["ln_final.bias"]
    elif damage == "visual missing":
        state = {key: value for key, value in state.items() if not key.startswith("visual")}
    else:
        state["ln_final.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "damaged.pt")
    with pytest.raises(ValueError, match=r"damaged\.pt fails with .* must be a whole CLIP"):
        load_clip(str(tmp_path / "damaged.pt"), "quick_gelu")


def test_failing_download_says_what_else_to_do(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no connection")

    monkeypatch.setattr(clip, "load", refuse)
    with pytest.raises(ValueError, match=r"ViT-B/16 could not be had \(no connection\).*Pocket"):
        load_clip("ViT-B/16")


BROKEN = {
    b"": "it is an empty file",
    b"\x80\x02}q": "It is cut short, damaged or of another kind",
    b"PK\x03\x04 half": "it is a zip archive without its end: it was cut short",
    b"version https://git-lfs.github.com/spec/v1": "it is a Git LFS pointer",
    b"<html><body>Sign in": "it is an HTML page",
}


@pytest.mark.parametrize("content", BROKEN)
def test_broken_files_and_files_of_another_kind_are_named(tmp_path, content):
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"broken\.pt cannot be read: .*{BROKEN[content]}"
    ) as error:
        load_clip(str(path))
    assert "weights_only" not in str(error.value)


def test_a_file_that_runs_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"logit_scale": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"asks for the Python object \w+\.open, which") as error:
        load_clip(str(tmp_path / "evil.pt"))
    assert "weights_only" not in str(error.value)
    assert not (tmp_path / "owned").exists()


def test_a_file_of_something_else_says_what_it_lacks(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="lacks logit_scale, text_projection, token_embedding"):
        load_clip(str(tmp_path / "other.pt"))


@pytest.mark.parametrize("wrap", [
    lambda state: {"model_state_dict": state, "epoch": 32},
    lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
])  # fmt: skip
def test_weights_are_taken_out_of_their_wrappers(tmp_path, wrap):
    model = random_clip("vit")
    torch.save(wrap(model.state_dict()), tmp_path / "wrapped.pt")
    assert weights_hash(load_clip(str(tmp_path / "wrapped.pt"), "quick_gelu")) == weights_hash(
        model
    )


@pytest.mark.parametrize("content", [torch.ones(3), 7, None, {"state_dict": [1]}])
def test_what_holds_no_weights_is_described(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt must hold a state dict, .*; got .*Give the"):
        load_clip(str(tmp_path / "other.pt"))


def with_gelu(model: CLIP) -> CLIP:
    for module in model.modules():
        if isinstance(module, ResidualAttentionBlock):
            module.mlp.gelu = torch.nn.GELU()
    return model


def test_the_activation_of_a_plain_state_dict_must_be_stated(tmp_path):
    """open_clip's plain-GELU models have OpenAI's names and shapes."""
    path = save(random_clip("vit"), tmp_path / "model.pt", "state dict")
    with pytest.raises(ValueError, match="ACTIVATION quick_gelu for OpenAI's .* gelu for all o"):
        load_clip(path)
    images, tokens = torch.randn(2, 3, 32, 32), clip.tokenize(["a cat."])
    outputs = {}
    for activation, model in (("quick_gelu", random_clip("vit")), ("gelu", random_clip("vit"))):
        model = with_gelu(model) if activation == "gelu" else model
        loaded = load_clip(path, activation)
        with torch.no_grad():
            outputs[activation] = encode_image(OpenAIBackbone(loaded), images)
            torch.testing.assert_close(outputs[activation], model.encode_image(images))
            torch.testing.assert_close(loaded.encode_text(tokens), model.encode_text(tokens))
    assert not torch.allclose(outputs["gelu"], outputs["quick_gelu"], rtol=0.01)
    with pytest.raises(ValueError, match="must be one of auto, quick_gelu, gelu; got 'relu'"):
        load_clip(path, "relu")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_an_archive_says_its_activation_in_its_code(tmp_path):
    model = with_gelu(random_clip("vit"))
    path = save(model, tmp_path / "model.pt", "jit archive")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(load_clip(path).encode_image(images), model.encode_image(images))
    with pytest.raises(ValueError, match="is quick_gelu, and the CLIP of .* has gelu. Leave the"):
        load_clip(path, "quick_gelu")


def test_a_file_may_state_its_activation_and_known_files_need_not(tmp_path):
    content = {"state_dict": random_clip("vit").state_dict(), "activation": "gelu"}
    torch.save(content, tmp_path / "model.pt")
    assert isinstance(
        load_clip(str(tmp_path / "model.pt")).transformer.resblocks[0].mlp.gelu, torch.nn.GELU
    )
    torch.save(content | {"activation": "relu"}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="has the activation 'relu'; it must be quick_gelu or"):
        load_clip(str(tmp_path / "model.pt"))
    pocket = [load_clip(name, given) for name in ("Pocket", weights_path())
              for given in ("auto", "quick_gelu")]  # fmt: skip
    assert len({weights_hash(model) for model in pocket}) == 1
    for name in ("Pocket", "ViT-B/16"):
        with pytest.raises(ValueError, match="is gelu, and the CLIP of .* has quick_gelu"):
            load_clip(name, "gelu")


def test_a_model_with_other_heads_than_openais_is_refused(tmp_path):
    """Of open_clip's ViT-H the width is seen, and its heads of 80 are not."""
    model = CLIP(64, 32, 1, 1280, 16, 77, 49408, 64, 1, 1)
    path = save(model, tmp_path / "huge.pt", "state dict")
    with pytest.raises(ValueError, match="huge.pt is of the size of open_clip's ViT-H"):
        load_clip(path, "gelu")


def test_input_size_must_be_the_backbones(tiny_clip):
    tiny_clip.check_input_size((32, 32))
    with pytest.raises(ValueError, match=r"\(32, 32\); got \(224, 224\)"):
        tiny_clip.check_input_size((224, 224))
