"""Transforms that torchvision does not have."""

import random
from collections.abc import Sequence

import torch
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode


class _Shown:
    """Says what it does: features that are kept are found by it."""

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({given})"


class Random2DTranslation(_Shown):
    """With probability `p`, enlarge to 9/8 of the size and crop at a random place; else resize.

    Args:
        height: height of the result in pixels.
        width: width of the result in pixels.
        p: probability of a translation.
        interpolation: how to resize.
    """

    def __init__(
        self,
        height: int,
        width: int,
        p: float = 0.5,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    ) -> None:
        self.height = height
        self.width = width
        self.p = p
        self.interpolation = interpolation

    def __call__(self, img: Image.Image) -> Image.Image:
        if random.random() >= self.p:
            return F.resize(img, [self.height, self.width], self.interpolation)
        height, width = round(self.height * 1.125), round(self.width * 1.125)
        img = F.resize(img, [height, width], self.interpolation)
        top = random.randint(0, height - self.height)
        left = random.randint(0, width - self.width)
        return F.crop(img, top, left, self.height, self.width)


class Cutout(_Shown):
    """Set `n_holes` random squares of a tensor [C, H, W] to zero; they may reach over the edge.

    Args:
        n_holes: number of squares.
        length: side of a square in pixels.
    """

    def __init__(self, n_holes: int = 1, length: int = 16) -> None:
        self.n_holes = n_holes
        self.length = length

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        height, width = img.shape[-2:]
        img = img.clone()
        for _ in range(self.n_holes):
            top = int(torch.randint(height, ())) - self.length // 2
            left = int(torch.randint(width, ())) - self.length // 2
            rows = slice(max(top, 0), max(top + self.length, 0))
            columns = slice(max(left, 0), max(left + self.length, 0))
            img[..., rows, columns] = 0.0
        return img


class GaussianNoise(_Shown):
    """With probability `p`, add normal noise to a tensor.

    Args:
        mean: mean of the noise.
        std: its standard deviation.
        p: probability.
    """

    def __init__(self, mean: float = 0.0, std: float = 0.15, p: float = 0.5) -> None:
        self.mean = mean
        self.std = std
        self.p = p

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        if torch.rand(()) >= self.p:
            return img
        return img + torch.randn_like(img) * self.std + self.mean


class InstanceNormalization(_Shown):
    """Bring each channel of a tensor [C, H, W] to mean 0 and standard deviation 1.

    Args:
        eps: added to the standard deviation.
    """

    def __init__(self, eps: float = 1e-8) -> None:
        self.eps = eps

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        std, mean = torch.std_mean(img, dim=(-2, -1), keepdim=True)
        return (img - mean) / (std + self.eps)


class RandomMagnitudeAugment(_Shown):
    """Apply `n` operations of RandAugment, each with probability `p` and a random magnitude.

    Args:
        n: number of operations.
        p: probability of each.
        cutout: afterwards gray out a random square of up to half the image's side, as FixMatch
            does.
        interpolation: how to rotate and shear.
    """

    _BINS = 31

    def __init__(
        self,
        n: int = 2,
        p: float = 1.0,
        cutout: bool = False,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
    ) -> None:
        self.n = n
        self.p = p
        self.cutout = cutout
        self._by_magnitude: Sequence[T.RandAugment] = [
            T.RandAugment(1, magnitude, self._BINS, interpolation)
            for magnitude in range(self._BINS)
        ]

    def __call__(self, img: Image.Image) -> Image.Image:
        for _ in range(self.n):
            if torch.rand(()) < self.p:
                img = self._by_magnitude[int(torch.randint(self._BINS, ()))](img)
        return self._gray_square(img) if self.cutout else img

    def _gray_square(self, img: Image.Image) -> Image.Image:
        side = round(float(torch.rand(())) * 0.5 * min(img.size))
        left = int(torch.randint(img.width, ())) - side // 2
        top = int(torch.randint(img.height, ())) - side // 2
        img = img.copy()
        img.paste((127, 127, 127), (left, top, left + side, top + side))
        return img
