"""INPUT follows what the backbone was trained on, unless it is set."""

import pytest

import train
from promptkit.backbones.backbone import ImageInput
from promptkit.runs.image_input import differences

OPENAI = ImageInput(224)


def merged(*words: str):
    return train.setup_cfg(train.parse_args(["--trainer", "CoOp", *words]))


@pytest.mark.parametrize(("name", "size"), [("ViT-B/16", 224), ("RN50x4", 288), ("Pocket", 48)])
def test_what_is_not_set_follows_the_weights(name, size, capsys):
    node = merged("--backbone", name).INPUT
    assert (node.SIZE, node.INTERPOLATION) == ((size, size), "bicubic")
    assert (tuple(node.PIXEL_MEAN), tuple(node.PIXEL_STD)) == (OPENAI.mean, OPENAI.std)
    assert "INPUT." not in capsys.readouterr().out


def test_a_weights_file_is_read_for_its_resolution(tiny_weights):
    assert merged("--backbone", tiny_weights).INPUT.SIZE == (32, 32)


def test_what_is_set_and_differs_has_a_sentence(tiny_weights):
    words = ("INPUT.PIXEL_MEAN", "[0.5, 0.5, 0.5]", "INPUT.PIXEL_STD", "[0.2686, 0.2613, 0.2758]")
    used, unused = ("INPUT.TRANSFORMS", "['normalize']"), ("INPUT.TRANSFORMS", "[]")
    cfg = merged("--backbone", "ViT-B/16", *words, *used)
    assert cfg.INPUT.PIXEL_MEAN == [0.5, 0.5, 0.5]
    (sentence,) = differences(cfg)
    assert sentence.startswith("INPUT.PIXEL_MEAN is [0.5, 0.5, 0.5]; the weights of ViT-B/16 were")
    assert "trained with [0.48145466" in sentence
    assert not differences(merged("--backbone", "ViT-B/16", *words[:2], *unused))  # has no effect
    assert not differences(merged("--backbone", tiny_weights, *words, *used))  # who knows


def test_a_trainer_says_it_whoever_merged_its_config(tiny_trainer, capsys):
    words = ("INPUT.PIXEL_MEAN", "[0.5, 0.5, 0.5]", "INPUT.SIZE", "(48, 48)")
    tiny_trainer("ZeroshotCLIP", "MODEL.BACKBONE.NAME", "Pocket", *words)
    assert "INPUT.PIXEL_MEAN is [0.5, 0.5, 0.5]; the weights of Pocket" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "size", "mean", "interpolation"),
    [
        ("ViT-B-16@datacomp_xl_s13b_b90k", 224, OPENAI.mean, "bicubic"),
        ("ViT-B-16-SigLIP-384@webli", 384, (0.5, 0.5, 0.5), "bicubic"),
        ("MobileCLIP-S1@datacompdr", 256, (0.0, 0.0, 0.0), "bilinear"),
        ("EVA02-L-14-336", 336, OPENAI.mean, "bicubic"),
    ],
)
def test_open_clips_weights_say_what_they_expect(name, size, mean, interpolation):
    pytest.importorskip("open_clip", reason="open_clip_torch is not installed")
    node = merged("--backbone", f"open_clip:{name}").INPUT
    assert (node.SIZE, node.INTERPOLATION) == ((size, size), interpolation)
    assert tuple(node.PIXEL_MEAN) == pytest.approx(mean)
