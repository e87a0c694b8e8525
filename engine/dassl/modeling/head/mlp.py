"""A multi-layer perceptron as a head."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from dassl.modeling.head.build import HEAD_REGISTRY

_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU}


class MLP(nn.Sequential):
    """Linear, batch norm, activation and dropout, once per hidden layer.

    Args:
        in_features: width of the input [B, in_features].
        hidden_layers: widths of the layers; an int means one layer.
        activation: relu or leaky_relu.
        bn: put a batch norm after each linear layer.
        dropout: probability; 0 leaves dropout out.

    Raises:
        ValueError: no hidden layer, or an unknown activation.
    """

    def __init__(
        self,
        in_features: int = 2048,
        hidden_layers: int | Sequence[int] = (),
        activation: str = "relu",
        bn: bool = True,
        dropout: float = 0.0,
    ) -> None:
        widths = [hidden_layers] if isinstance(hidden_layers, int) else list(hidden_layers)
        if not widths:
            raise ValueError("MODEL.HEAD.HIDDEN_LAYERS must name at least one width; got ().")
        if activation not in _ACTIVATIONS:
            raise ValueError(
                f"MODEL.HEAD.ACTIVATION must be one of {', '.join(_ACTIVATIONS)}; "
                f'got "{activation}".'
            )
        layers: list[nn.Module] = []
        for width in widths:
            layers.append(nn.Linear(in_features, width))
            if bn:
                layers.append(nn.BatchNorm1d(width))
            layers.append(_ACTIVATIONS[activation](inplace=True))
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            in_features = width
        super().__init__(*layers)
        self.out_features = in_features


@HEAD_REGISTRY.register()
def mlp(**kwargs: Any) -> MLP:
    """Build an MLP head."""
    return MLP(**kwargs)
