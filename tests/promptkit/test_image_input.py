"""INPUT follows what the backbone was trained on, unless it is set."""

import pytest

import train
from promptkit.backbones.backbone import ImageInput

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


def test_what_is_set_and_differs_is_said(capsys, tiny_weights):
    words = ("INPUT.PIXEL_MEAN", "[0.5, 0.5, 0.5]", "INPUT.PIXEL_STD", "[0.2686, 0.2613, 0.2758]")
    node = merged("--backbone", "ViT-B/16", *words, "INPUT.TRANSFORMS", "['normalize']").INPUT
    assert node.PIXEL_MEAN == [0.5, 0.5, 0.5]
    printed = capsys.readouterr().out
    assert (
        "INPUT.PIXEL_MEAN is [0.5, 0.5, 0.5] (on the command line); the weights of ViT-B/16 "
        in (printed)
    )
    assert "trained with [0.48145466" in printed and "PIXEL_STD is" not in printed
    merged("--backbone", "ViT-B/16", *words[:2], "INPUT.TRANSFORMS", "[]")  # has no effect at all
    assert "the weights of" not in capsys.readouterr().out
    merged("--backbone", tiny_weights, *words, "INPUT.TRANSFORMS", "['normalize']")  # who knows
    assert "the weights of" not in capsys.readouterr().out


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
