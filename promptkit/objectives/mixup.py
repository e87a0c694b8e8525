"""Class-wise Mixup: pairs of a batch, mixed into views of virtual classes.

A pair (i, j) with weight lambda stands for a virtual class, a share lambda of the class of i and
the rest of that of j. Mixup: arXiv:1710.09412. Two pairs may stand for the same virtual class; they
stay negatives of each other in an MI estimate, because under the product of the marginals a class
does meet itself, and an estimate without those samples is no longer a bound.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MODES = ("inter", "intra", "both")


class Pairs(NamedTuple):
    """N pairs of images of a batch: indices `[N]` and, in [0, 1], the weight `[N]` of the first."""

    first: Tensor
    second: Tensor
    weight: Tensor


def draw_pairs(labels: Tensor, *, mode: str, alpha: float, generator: torch.Generator) -> Pairs:
    """Give each image a partner, uniform among those the mode allows, and a Beta weight.

    Images without a possible partner are left out. Partners are possible both ways, so N is
    never 1: there are no pairs at all or at least the two that an MI estimate needs.

    Args:
        labels: `[B]`, the class of each image.
        mode: `inter` for partners of other classes, `intra` for other images of the same class,
            `both` for any other image.
        alpha: `weight ~ Beta(alpha, alpha)`; small values keep close to one of the two images.
        generator: the only source of randomness; draws happen on its device.

    Returns:
        Pairs on the device of the labels, `first` in ascending order, the weights in fp32.

    Raises:
        ValueError: on an unknown mode or an alpha that is not positive.
    """
    if not alpha > 0:
        raise ValueError(f"The alpha of mixup must be above 0; got {alpha}.")
    possible = _possible_partners(labels.to(generator.device), mode)
    first = possible.any(dim=1).nonzero().squeeze(1)
    if len(first) == 0:  # torch.multinomial refuses no rows.
        second, weight = first, torch.empty(0, device=first.device)
    else:
        second = torch.multinomial(possible[first].float(), 1, generator=generator).squeeze(1)
        weight = _draw_beta(alpha, len(first), generator)
    return Pairs(*(part.to(labels.device) for part in (first, second, weight)))


def mix_features(features: Tensor, pairs: Pairs) -> Tensor:
    """Mix features `[B, E]` of images into unit vectors `[N, E]`."""
    return F.normalize(_mix(features[pairs.first], features[pairs.second], pairs.weight), dim=-1)


def mix_images(images: Tensor, pairs: Pairs) -> Tensor:
    """Mix pixels `[B, 3, H, W]` of images into images `[N, 3, H, W]`."""
    return _mix(images[pairs.first], images[pairs.second], pairs.weight)


def mix_text(text_features: Tensor, labels: Tensor, pairs: Pairs) -> Tensor:
    """Mix text features `[C, E]` of the classes of each pair into unit vectors `[N, E]`.

    A pair within one class gets the text of that class.

    Args:
        text_features: `[C, E]`, of unit norm.
        labels: `[B]`, those that the pairs were drawn for.
        pairs: N of them.
    """
    return mix_features(text_features[labels], pairs)


def _possible_partners(labels: Tensor, mode: str) -> Tensor:
    """Return `[B, B]`, true where the second image may join the first."""
    same_class = labels[:, None] == labels
    same_image = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    if mode == "inter":
        return ~same_class
    if mode == "intra":
        return same_class & ~same_image
    if mode == "both":
        return ~same_image
    raise ValueError(f"The pairs of mixup must be one of {', '.join(MODES)}; got {mode!r}.")


def _draw_beta(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` samples of Beta(alpha, alpha) as `X / (X + Y)`, X and Y of Gamma(alpha).

    torch.distributions has no generator argument. For a small alpha both X and Y underflow, which
    would give 0 / 0, so logarithms are drawn: if G ~ Gamma(alpha + 1) and U is uniform,
    `G U^(1 / alpha) ~ Gamma(alpha)` (Marsaglia and Tsang 2000, section 6).
    """
    options = {"dtype": torch.float64, "device": generator.device}
    shape = torch.full((2, count), alpha + 1, **options)
    uniform = 1 - torch.rand(2, count, generator=generator, **options)  # in (0, 1], log is finite
    x, y = torch._standard_gamma(shape, generator=generator).log() + uniform.log() / alpha
    return (x - y).sigmoid().float()


def _mix(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Return `weight * first + (1 - weight) * second`, exact where both are equal."""
    weight = weight.to(first.dtype).view(-1, *[1] * (first.ndim - 1))
    return torch.lerp(second, first, weight)
