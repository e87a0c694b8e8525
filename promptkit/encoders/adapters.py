"""Bottlenecks beside the layers of both encoders, whose middle the encoders share (MMA).

    y = c Up(relu(Sh(relu(Down(u)))))      of a token u behind the layer's first norm

y joins the layer's output. Each token is seen by itself: prompts share what they begin with as
before. c is small, so that CLIP stays near what it was, and would make every gradient of Up, Sh and
Down small: theirs are those of c = 1. What goes back to the tokens has c, as it should.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.backbones.backbone import Backbone
from promptkit.encoders.blocks import Beside, first_norm
from promptkit.encoders.standing_in import IMAGES, TEXT


class _Scaled(torch.autograd.Function):
    """x times a number, with a gradient that is times another."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float, gradient_factor: float) -> Tensor:
        ctx.factor = gradient_factor
        return x * factor

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.factor, None, None


class Bottleneck(nn.Module):
    """Down and Up of one layer, published names."""

    def __init__(self, outer: int, inner: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Linear(outer, inner), nn.ReLU())
        self.up = nn.Linear(inner, outer)


class Adapters(nn.Module):
    """The bottlenecks of some layers; the published names, layers counted from 1.

    Args:
        model: the frozen CLIP, whose image encoder has tokens.
        layers: of both encoders, counted from 0.
        width: of the middle.
        scale: c.

    Raises:
        ValueError: a layer has no norm in front.
    """

    def __init__(self, model: Backbone, *, layers: range, width: int, scale: float) -> None:
        super().__init__()
        self.layers, self.scale = layers, scale
        for blocks in (model.text_blocks, model.image_tokens.blocks):
            for layer in layers:
                first_norm(blocks[layer])
        outer = model.text_width, model.image_tokens.width
        self.text_adapter, self.visual_adapter = (
            nn.ModuleDict({f"{layer + 1}": Bottleneck(own, width) for layer in layers})
            for own in outer
        )
        self.shared_adapter = nn.ModuleDict(
            {f"{layer + 1}": nn.Sequential(nn.Linear(width, width), nn.ReLU()) for layer in layers}
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def beside(self, encoder: str) -> dict[int, Beside]:
        """What stands beside the layers of TEXT or IMAGES."""
        own = {TEXT: self.text_adapter, IMAGES: self.visual_adapter}[encoder]
        return {
            layer: lambda x, key=f"{layer + 1}": self._part(own[key], self.shared_adapter[key], x)
            for layer in self.layers
        }

    def _part(self, own: Bottleneck, shared: nn.Sequential, x: Tensor) -> Tensor:
        """y of tokens [..., D] behind a norm."""
        inner = _Scaled.apply(x, 1.0, self.scale)
        for linear in (own.down[0], shared[0]):
            inner = F.relu(_linear(linear, inner))
        return _Scaled.apply(_linear(own.up, inner), self.scale, 1.0)


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """A layer of single precision on tokens that may have half."""
    return F.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))
