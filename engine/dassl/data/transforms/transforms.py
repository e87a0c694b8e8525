"""Building the transforms of the INPUT node."""

from collections.abc import Callable, Sequence
from typing import Any

from torchvision import transforms as T
from torchvision.transforms.functional import InterpolationMode
from yacs.config import CfgNode

from dassl.data.transforms.ops import (
    Cutout,
    GaussianNoise,
    InstanceNormalization,
    Random2DTranslation,
    RandomMagnitudeAugment,
)
from dassl.utils.registry import nearest_name

AVAI_CHOICES = [
    "random_flip",
    "random_resized_crop",
    "normalize",
    "instance_norm",
    "random_crop",
    "random_translation",
    "center_crop",
    "cutout",
    "imagenet_policy",
    "cifar10_policy",
    "svhn_policy",
    "randaugment",
    "randaugment_fixmatch",
    "randaugment2",
    "gaussian_noise",
    "colorjitter",
    "randomgrayscale",
    "gaussian_blur",
]

INTERPOLATION_MODES = {
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
    "nearest": InterpolationMode.NEAREST,
}

_POLICIES = {
    "imagenet_policy": T.AutoAugmentPolicy.IMAGENET,
    "cifar10_policy": T.AutoAugmentPolicy.CIFAR10,
    "svhn_policy": T.AutoAugmentPolicy.SVHN,
}


def build_transform(
    cfg: CfgNode, is_train: bool = True, choices: Sequence[str] | None = None
) -> Callable[[Any], Any] | None:
    """Build the transform from a PIL image to a tensor [3, H, W].

    Args:
        cfg: the configuration; its INPUT node is read.
        is_train: for training, otherwise for testing.
        choices: names of transforms; by default INPUT.TRANSFORMS. Their order does not matter.

    Returns:
        The transform, or None if INPUT.NO_TRANSFORM is set.

    Raises:
        ValueError: an unknown transform or interpolation.
    """
    if cfg.INPUT.NO_TRANSFORM:
        print("Note: no transform is applied!")
        return None
    choices = cfg.INPUT.TRANSFORMS if choices is None else choices
    for choice in choices:
        if choice not in AVAI_CHOICES:
            raise ValueError(
                f'INPUT.TRANSFORMS: unknown transform "{choice}". '
                f'Did you mean "{nearest_name(choice, AVAI_CHOICES)}"? '
                f"Known: {', '.join(AVAI_CHOICES)}."
            )
    if cfg.INPUT.INTERPOLATION not in INTERPOLATION_MODES:
        raise ValueError(
            f"INPUT.INTERPOLATION must be one of {', '.join(INTERPOLATION_MODES)}; "
            f'got "{cfg.INPUT.INTERPOLATION}".'
        )
    print(f"Building transform_{'train' if is_train else 'test'}")
    steps = _train_steps(cfg, choices) if is_train else _test_steps(cfg, choices)
    return T.Compose(steps)


def _train_steps(cfg: CfgNode, choices: Sequence[str]) -> list[Any]:
    steps = _geometry(cfg, choices) + _colours(cfg, choices)
    print("+ to torch tensor of range [0, 1]")
    steps.append(T.ToTensor())
    node = cfg.INPUT
    if "cutout" in choices:
        print(f"+ cutout (n_holes={node.CUTOUT_N}, length={node.CUTOUT_LEN})")
        steps.append(Cutout(node.CUTOUT_N, node.CUTOUT_LEN))
    if "normalize" in choices:
        steps.append(_normalize(cfg))
    if "gaussian_noise" in choices:
        print(f"+ gaussian noise (mean={node.GN_MEAN}, std={node.GN_STD})")
        steps.append(GaussianNoise(node.GN_MEAN, node.GN_STD))
    if "instance_norm" in choices:
        print("+ instance normalization")
        steps.append(InstanceNormalization())
    return steps


def _geometry(cfg: CfgNode, choices: Sequence[str]) -> list[Any]:
    """Return the steps that bring an image to INPUT.SIZE."""
    node, size = cfg.INPUT, tuple(cfg.INPUT.SIZE)
    interpolation = INTERPOLATION_MODES[node.INTERPOLATION]
    steps: list[Any] = []
    if "random_crop" not in choices and "random_resized_crop" not in choices:
        print(f"+ resize to {size[0]}x{size[1]}")
        steps.append(T.Resize(size, interpolation=interpolation))
    if "random_translation" in choices:
        print("+ random translation")
        steps.append(Random2DTranslation(size[0], size[1], interpolation=interpolation))
    if "random_crop" in choices:
        print(f"+ random crop (padding={node.CROP_PADDING})")
        steps.append(T.RandomCrop(size, padding=node.CROP_PADDING))
    if "random_resized_crop" in choices:
        scale = tuple(node.RRCROP_SCALE)
        print(f"+ random resized crop (size={size}, scale={scale})")
        steps.append(T.RandomResizedCrop(size, scale=scale, interpolation=interpolation))
    if "random_flip" in choices:
        print("+ random flip")
        steps.append(T.RandomHorizontalFlip())
    return steps


def _colours(cfg: CfgNode, choices: Sequence[str]) -> list[Any]:
    """Return the augmentations of a PIL image that keep its size."""
    node, steps = cfg.INPUT, []
    for name, policy in _POLICIES.items():
        if name in choices:
            print(f"+ {name.replace('_', ' ')}")
            steps.append(T.AutoAugment(policy))
    n = node.RANDAUGMENT_N
    if "randaugment" in choices:
        print(f"+ randaugment (n={n}, m={node.RANDAUGMENT_M})")
        steps.append(T.RandAugment(n, node.RANDAUGMENT_M))
    if "randaugment_fixmatch" in choices:
        print(f"+ randaugment_fixmatch (n={n})")
        steps.append(RandomMagnitudeAugment(n, cutout=True))
    if "randaugment2" in choices:
        print(f"+ randaugment2 (n={n})")
        steps.append(RandomMagnitudeAugment(n, p=0.6))
    if "colorjitter" in choices:
        amounts = {
            "brightness": node.COLORJITTER_B,
            "contrast": node.COLORJITTER_C,
            "saturation": node.COLORJITTER_S,
            "hue": node.COLORJITTER_H,
        }
        print(f"+ color jitter ({', '.join(f'{name}={x}' for name, x in amounts.items())})")
        steps.append(T.ColorJitter(**amounts))
    if "randomgrayscale" in choices:
        print(f"+ random gray scale (p={node.RGS_P})")
        steps.append(T.RandomGrayscale(p=node.RGS_P))
    if "gaussian_blur" in choices:
        print(f"+ gaussian blur (kernel={node.GB_K}, p={node.GB_P})")
        steps.append(T.RandomApply([T.GaussianBlur(node.GB_K)], p=node.GB_P))
    return steps


def _test_steps(cfg: CfgNode, choices: Sequence[str]) -> list[Any]:
    size = tuple(cfg.INPUT.SIZE)
    print(f"+ resize the smaller edge to {max(size)}")
    print(f"+ {size[0]}x{size[1]} center crop")
    print("+ to torch tensor of range [0, 1]")
    steps: list[Any] = [
        T.Resize(max(size), interpolation=INTERPOLATION_MODES[cfg.INPUT.INTERPOLATION]),
        T.CenterCrop(size),
        T.ToTensor(),
    ]
    if "normalize" in choices:
        steps.append(_normalize(cfg))
    if "instance_norm" in choices:
        print("+ instance normalization")
        steps.append(InstanceNormalization())
    return steps


def _normalize(cfg: CfgNode) -> T.Normalize:
    mean, std = cfg.INPUT.PIXEL_MEAN, cfg.INPUT.PIXEL_STD
    print(f"+ normalization (mean={mean}, std={std})")
    return T.Normalize(mean=mean, std=std)
