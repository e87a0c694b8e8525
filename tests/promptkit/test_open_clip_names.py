"""Names of open_clip's models: opening, activation, what is refused, what is listed."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file

import train
from promptkit.backbones import __main__ as listing
from promptkit.backbones.facts import facts_of
from promptkit.backbones.loading import local_weights
from promptkit.backbones.open_clip_names import OpenClipName
from promptkit.backbones.openai_clip import ARCHITECTURES
from promptkit.backbones.opening import open_backbone
from tests.conftest import make_tiny_clip
from tests.promptkit.open_clip_families import SHARED, WHOLE, backbone_of, open_clip

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"width": 64, "heads": 1, "layers": 3},
}


@pytest.fixture(scope="module")
def tiny_names(tmp_path_factory):
    """Names of the tiny CLIP as models that open_clip knows, with GELU and QuickGELU."""
    folder = tmp_path_factory.mktemp("open clip")
    torch.save(make_tiny_clip().state_dict(), folder / "weights.pt")
    for name, more in (("tiny", {}), ("tiny-quickgelu", {"quick_gelu": True})):
        (folder / f"{name}.json").write_text(json.dumps(TINY | more))
    open_clip.add_model_config(folder)
    return {name: f"open_clip:{name}@{folder}/weights.pt" for name in ("tiny", "tiny-quickgelu")}


def test_a_file_is_opened_with_the_models_activation(tiny_names, tiny_weights, tmp_path):
    images = torch.randn(2, 3, 32, 32)
    for name, activation in (("tiny", "gelu"), ("tiny-quickgelu", "quick_gelu")):
        found = open_backbone(tiny_names[name])
        same = open_backbone(local_weights(tiny_names[name])[0], activation)
        assert (found.activation, found.images.size) == (activation, 32)
        assert found.weights_hash() == same.weights_hash()
        torch.testing.assert_close(
            found.encode_image(images), same.encode_image(images), rtol=1e-5, atol=1e-5
        )
        assert not any(parameter.requires_grad for parameter in found.parameters())
    assert found.weights_hash() == open_backbone(tiny_weights).weights_hash()
    assert open_backbone(tiny_names["tiny"], "quick_gelu").activation == "quick_gelu"
    with pytest.raises(ValueError, match="has quick_gelu, and .*ACTIVATION or the file says gelu"):
        open_backbone(tiny_names["tiny-quickgelu"], "gelu")
    with pytest.raises(ValueError, match="must be one of auto, quick_gelu, gelu; got 'relu'"):
        open_backbone(tiny_names["tiny"], "relu")


def test_a_files_own_word_counts(tiny_names, tmp_path):
    """In its metadata: QuickGELU is taken, plain GELU contradicts a model with QuickGELU."""
    state = torch.load(tiny_names["tiny"].partition("@")[2], weights_only=True)
    for said in ("quick_gelu", "gelu"):
        save_file(state, tmp_path / f"{said}.safetensors", {"activation": said})
    name = f"open_clip:tiny@{tmp_path}/quick_gelu.safetensors"
    assert open_backbone(name).activation == "quick_gelu"
    with pytest.raises(ValueError, match="has quick_gelu, and .* says gelu"):
        open_backbone(f"open_clip:tiny-quickgelu@{tmp_path}/gelu.safetensors")


def test_views_of_other_code_are_not_taken(tiny_names, tiny_argv, tmp_path, monkeypatch):
    """The same tensors have one hash; only OpenAI's code keeps what is before the projection."""
    monkeypatch.setenv("PROMPTKIT_FEATURES", str(tmp_path / "store"))
    assert train.main(tiny_argv("CoOp", output="openai")) == 0
    argv = tiny_argv("CoOp", "MODEL.BACKBONE.NAME", tiny_names["tiny-quickgelu"], output="other")
    assert train.main(argv) == 0
    results = [json.loads((tmp_path / x / "result.json").read_text()) for x in ("openai", "other")]
    assert results[0]["weights_sha256"] == results[1]["weights_sha256"]


def test_a_run_trains_evaluates_and_says_its_weights(tiny_names, tiny_argv, tmp_path, capsys):
    for name in tiny_names:
        argv = tiny_argv("CoOp", "MODEL.BACKBONE.NAME", tiny_names[name], output=name)
        assert train.main(argv) == 0
        printed = capsys.readouterr().out
        assert f"Weights of open_clip:{name}: " in printed and "encoded whole" not in printed
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in tiny_names]
    assert results[0]["weights_sha256"] != results[1]["weights_sha256"]
    assert results[0]["backbone_sha256"] == results[1]["backbone_sha256"] is not None
    assert results[0]["versions"]["open_clip_torch"] == open_clip.__version__


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ViT-B16", r"no model 'ViT-B16'. Did you mean 'open_clip:ViT-B-16'\?"),
        ("ViT-B-16", r"needs weights; there are openai, .*none chosen. Write open_clip:ViT-B-16@"),
        ("ViT-B-16@here.pt", "got no weights 'here.pt' and no such file"),
        ("ViT-B-16-quickgelu@laion400m_e32", "got no weights 'laion400m_e32'"),
        ("roberta-ViT-B-32@laion2b_s12b_b32k", "cannot be tuned here: .* roberta-base, not open_c"),
    ],
)
def test_what_cannot_be_opened_is_refused_before_any_download(name, message):
    with pytest.raises(ValueError, match=message):
        open_backbone(f"open_clip:{name}")


def test_the_activation_is_that_of_the_weights():
    assert OpenClipName.parse("open_clip:ViT-B-16@openai").activation == "quick_gelu"
    assert OpenClipName.parse("open_clip:ViT-B/16@laion2b_s34b_b88k").activation == "gelu"
    assert OpenClipName.parse("open_clip:EVA02-B-16").tag == "merged2b_s8b_b131k"


def test_weights_that_do_not_fit_the_model_are_named(tiny_names, tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="other.pt of open_clip:tiny could not be had .RuntimeErr"):
        open_backbone(f"open_clip:tiny@{tmp_path}/other.pt")


def test_without_open_clip_it_is_said_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ValueError, match="needs the package open_clip_torch .*: pip install open_"):
        open_backbone("open_clip:ViT-B-16@openai")
    assert listing.main([]) == 0
    printed = capsys.readouterr().out
    assert "ViT-L/14@336px" in printed and "9 backbones" in printed and "pip install" in printed


def test_methods_that_prompt_images_refuse_before_loading(tiny_argv, capsys):
    name = "open_clip:convnext_base_w@laion2b_s13b_b82k"
    assert train.main([*tiny_argv("VPT"), "MODEL.BACKBONE.NAME", name]) == 1
    message = capsys.readouterr().err
    assert "needs an image encoder with tokens, and that of open_clip:convnext_base_w" in message
    assert "is convnext_base. Set MODEL.BACKBONE.NAME (--backbone) to one of ViT-B/32" in message


@pytest.mark.parametrize("name", SHARED + WHOLE)
def test_the_list_says_of_the_text_path_what_opening_finds(name):
    assert OpenClipName(name).shares == (backbone_of(name).not_shared == "")


def test_openais_table_is_open_clips_and_the_packages():
    for name, sizes in ARCHITECTURES.items():
        config = open_clip.get_model_config(name.replace("/", "-").replace("@336px", "-336"))
        vision, text = config["vision_cfg"], config["text_cfg"]
        assert sizes[:2] == (config["embed_dim"], vision["image_size"])
        layers = vision["layers"]
        assert sizes[2:4] == (
            tuple(layers) if isinstance(layers, list) else layers,
            vision["width"],
        )
        assert sizes[4] == (vision["patch_size"] if isinstance(layers, int) else None)
        assert sizes[7:] == (text["width"], text["heads"], text["layers"])


def test_all_weights_are_listed(capsys):
    assert listing.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines if line.startswith(("open_clip:", "ViT", "RN"))}
    assert len(rows) > 150 and set(ARCHITECTURES) <= set(rows)
    assert rows["open_clip:ViT-B-16-SigLIP@webli"].split()[1:4] == ["224", "768", "768"]
    assert "whole" in rows["open_clip:ViT-B-16-SigLIP@webli"]
    assert "fast" in rows["open_clip:EVA02-B-16@merged2b_s8b_b131k"]
    assert listing.main(["siglip2", "gopt"]) == 0
    assert "2 backbones" in capsys.readouterr().out


def test_weights_in_the_cache_are_known(monkeypatch, tmp_path):
    from huggingface_hub import constants

    name = "open_clip:ViT-B-16-SigLIP@webli"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert not facts_of(name).in_cache and not facts_of("ViT-B/16").in_cache
    folder = tmp_path / "models--timm--ViT-B-16-SigLIP"
    (folder / "snapshots/a").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text("a")
    (folder / "snapshots/a/open_clip_model.safetensors").write_text("")
    (tmp_path / ".cache/clip").mkdir(parents=True)
    (tmp_path / ".cache/clip/ViT-B-16.pt").write_text("")
    assert facts_of(name).in_cache and facts_of("ViT-B/16").in_cache
