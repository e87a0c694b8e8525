"""A weighted sum of a module's parameters over the epochs of a training."""

import copy
import math

import torch
from torch import nn


def gaussian_weights(num_epochs: int, mean: float, std: float) -> list[float]:
    """Normal densities of the epochs 1 to `num_epochs`, scaled to the sum 1."""
    exponents = [-0.5 * ((epoch - mean) / std) ** 2 for epoch in range(1, num_epochs + 1)]
    top = max(exponents)  # without it all would be 0 for a mean far from every epoch
    densities = [math.exp(exponent - top) for exponent in exponents]
    return [density / sum(densities) for density in densities]


class WeightAverage(nn.Module):
    """The sum so far; registered with the trainer, it is saved and resumed like a model."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.sum = copy.deepcopy(module).requires_grad_(False)
        for parameter in self.sum.parameters():
            parameter.zero_()

    @torch.no_grad()
    def add(self, module: nn.Module, weight: float) -> None:
        """Adds `weight` times the parameters of `module`."""
        for total, value in zip(self.sum.parameters(), module.parameters(), strict=True):
            total.add_(value, alpha=weight)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Puts the sum into `module`."""
        for total, value in zip(self.sum.parameters(), module.parameters(), strict=True):
            value.copy_(total)
