"""Transforms: the printed steps, every choice, and the operations written here."""

import numpy as np
import pytest
import torch
from PIL import Image

from dassl.config import get_cfg_default
from dassl.data.transforms import INTERPOLATION_MODES, build_transform
from dassl.data.transforms.ops import Cutout, GaussianNoise, InstanceNormalization
from dassl.data.transforms.transforms import AVAI_CHOICES
from dassl.utils import set_random_seed


def clip_cfg():
    cfg = get_cfg_default()
    cfg.INPUT.INTERPOLATION = "bicubic"
    cfg.INPUT.TRANSFORMS = ("random_resized_crop", "random_flip", "normalize")
    return cfg


def test_usual_transforms_print_their_steps(capsys):
    cfg = clip_cfg()
    image = Image.fromarray(np.zeros((300, 250, 3), dtype=np.uint8))
    assert build_transform(cfg)(image).shape == (3, 224, 224)
    assert capsys.readouterr().out == (
        "Building transform_train\n"
        "+ random resized crop (size=(224, 224), scale=(0.08, 1.0))\n"
        "+ random flip\n"
        "+ to torch tensor of range [0, 1]\n"
        "+ normalization (mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])\n"
    )
    result = build_transform(cfg, is_train=False)(image)
    expected = -torch.tensor([0.485, 0.456, 0.406]) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(result[:, 0, 0], expected)
    assert capsys.readouterr().out == (
        "Building transform_test\n"
        "+ resize the smaller edge to 224\n"
        "+ 224x224 center crop\n"
        "+ to torch tensor of range [0, 1]\n"
        "+ normalization (mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])\n"
    )


@pytest.mark.parametrize("choice", AVAI_CHOICES)
def test_every_choice_runs(choice, capsys):
    assert len(AVAI_CHOICES) == 18
    cfg = get_cfg_default()
    cfg.INPUT.SIZE = (32, 24)
    pixels = np.random.default_rng(0).integers(0, 255, (48, 40, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    set_random_seed(0)
    train = build_transform(cfg, choices=[choice])
    results = [train(image) for _ in range(8)]
    assert all(result.shape == (3, 32, 24) for result in results)
    lines = capsys.readouterr().out.splitlines()
    resized = choice not in ("random_crop", "random_resized_crop")
    assert ("+ resize to 32x24" in lines) == resized
    fixed = choice in ("center_crop", "normalize", "instance_norm")
    assert all(torch.equal(results[0], result) for result in results) == fixed
    assert build_transform(cfg, False, choices=[choice])(image).shape == (3, 32, 24)


def test_own_operations():
    set_random_seed(0)
    white = torch.ones(3, 8, 8)
    holes = Cutout(n_holes=1, length=2)(white)
    assert 1 <= (holes[0] == 0).sum() <= 4 and torch.equal(holes[0], holes[2])
    assert white.min() == 1
    noisy = GaussianNoise(mean=5.0, std=0.1, p=1.0)(torch.zeros(3, 64, 64))
    assert abs(noisy.mean() - 5) < 0.01 and abs(noisy.std() - 0.1) < 0.01
    assert torch.equal(GaussianNoise(p=0.0)(white), white)
    normal = InstanceNormalization()(torch.rand(3, 8, 8) * 4 + 1)
    torch.testing.assert_close(normal.mean((1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.std((1, 2)), torch.ones(3))


def test_transform_errors(capsys):
    cfg = clip_cfg()
    with pytest.raises(ValueError, match='unknown transform "randomflip". Did you mean "random_fl'):
        build_transform(cfg, choices=["randomflip"])
    cfg.INPUT.INTERPOLATION = "cubic"
    with pytest.raises(ValueError, match='bilinear, bicubic, nearest; got "cubic"'):
        build_transform(cfg)
    cfg.INPUT.NO_TRANSFORM = True
    assert build_transform(cfg) is None
    assert capsys.readouterr().out == "Note: no transform is applied!\n"
    assert {mode.value for mode in INTERPOLATION_MODES.values()} == {
        "bilinear",
        "bicubic",
        "nearest",
    }
