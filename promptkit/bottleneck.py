"""CLIP-Adapter's network on features."""

from torch import nn

REDUCTION = 4


def bottleneck(width: int) -> nn.Sequential:
    """[..., E] to a quarter of E and back, each with a ReLU and without a bias, as torch starts it.

    Without biases a feature c times as long, c > 0, gives c times the output.
    """
    return nn.Sequential(
        nn.Linear(width, width // REDUCTION, bias=False),
        nn.ReLU(),
        nn.Linear(width // REDUCTION, width, bias=False),
        nn.ReLU(),
    )
