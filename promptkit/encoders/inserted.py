"""Tokens that come in at a layer and make every sequence longer, in either encoder.

As in the published code of MMRL: before their first layer they are put in behind the start of the
sequence, without positions; before each of the next ones what became of them is replaced.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Inserted:
    """The inserted tokens of one encoder of width D.

    Attributes:
        layer: before which they come in; 0 is the first.
        tokens: [K, D] each, of the layers `layer`, `layer` + 1, ...
        share: of the new ones in what replaces the old; the rest is what the layer before has made
            of these. 1 replaces them, MMRL++ keeps some.
    """

    layer: int
    tokens: tuple[Tensor, ...]
    share: float = 1.0

    def __len__(self) -> int:
        """K, by which a sequence grows."""
        return len(self.tokens[0])

    @property
    def layers(self) -> range:
        """The layers that have tokens of their own."""
        return range(self.layer, self.layer + len(self.tokens))

    def entered(self, x: Tensor, layer: int, place: int) -> Tensor:
        """What goes into a layer: x [G, S, D] with the layer's tokens from `place` on."""
        if layer not in self.layers:
            return x
        own = self.tokens[layer - self.layer].to(x.dtype).expand(len(x), -1, -1)
        if layer == self.layer:
            return torch.cat([x[:, :place], own, x[:, place:]], dim=1)  # [G, S + K, D]
        end = place + len(self)
        if self.share != 1:
            own = self.share * own + (1 - self.share) * x[:, place:end]
        return torch.cat([x[:, :place], own, x[:, end:]], dim=1)
