"""How much two views of the same classes depend on each other: HSIC with linear kernels."""

import torch
from torch import Tensor


def linear_hsic(first: Tensor, second: Tensor) -> Tensor:
    """trace(M K M L) with K = T T^t, L = H H^t and M = I - 1 1^t / C; not divided by (C - 1)^2.

    T and H are the views, each divided by its Frobenius norm, as DeKg takes them (openreview
    6wOmHdwCC4; cnunlp/DeKg at b8f2f1c, trainers/loss.py). The trace of C x C kernels is the squared
    norm of the centred views' product, which no matrix with C x C entries is needed for.

    Args:
        first, second: T and H before that, [C, E] each.

    Returns:
        A scalar in fp32, from 0 (no linear dependence, or one class) to 1.
    """
    with torch.autocast(first.device.type, enabled=False):
        first, second = (_centred(view.float()) for view in (first, second))
        return (first.t() @ second).square().sum()


def _centred(view: Tensor) -> Tensor:
    scaled = view / view.norm()
    return scaled - scaled.mean(dim=0)
