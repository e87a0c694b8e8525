"""Low-rank updates of the query, key and value projections of both encoders (LoRA).

    W x  becomes  W x + ALPHA / sqrt(r) B A drop(x)

Without dropout the update is part of the weights, and every way of encoding has it. With dropout
each token that is computed draws its own mask; tokens that prompts share are computed once, see
`promptkit.encoders.text_encoder`, so they share theirs, where 77 tokens a class draw one each.
"""

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.backbones.backbone import Backbone
from promptkit.backbones.installed_clip import VisionTransformer
from promptkit.encoders.standing_in import TEXT, standing_in

PARTS = "qkv"


def blocks_of(model: Backbone, encoder: str) -> list[nn.Module]:
    """The layers of one encoder.

    Raises:
        ValueError: the image encoder is not OpenAI's vision transformer, or projections are apart.
    """
    if encoder == TEXT:
        blocks = list(model.text_blocks)
    elif isinstance(model.visual, VisionTransformer):
        blocks = list(model.visual.transformer.resblocks)
    else:
        raise ValueError("low-rank updates of images need OpenAI's vision transformer")
    if any(getattr(block.attn, "in_proj_weight", None) is None for block in blocks):
        raise ValueError("low-rank updates need queries, keys and values in one matrix")
    return blocks


class LowRank(nn.Module):
    """Updates of some projections of all layers.

    Args:
        model: the frozen CLIP.
        encoders: of TEXT and IMAGES, see `promptkit.encoders.standing_in`.
        parts: of q, k and v.
        rank: r.
        alpha: ALPHA.
        dropout: probability, in training.
    """

    def __init__(
        self,
        model: Backbone,
        *,
        encoders: tuple[str, ...],
        parts: str,
        rank: int,
        alpha: float,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoders, self.parts, self.dropout = encoders, parts, dropout
        self.scale = alpha / math.sqrt(rank)
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        for encoder in encoders:
            for layer, block in enumerate(blocks_of(model, encoder)):
                width = block.attn.embed_dim
                for part in parts:
                    key = f"{encoder}_{layer}_{part}"
                    self.down[key] = nn.Parameter(torch.empty(rank, width))
                    nn.init.kaiming_uniform_(self.down[key], a=math.sqrt(5))
                    self.up[key] = nn.Parameter(torch.zeros(width, rank))

    @contextlib.contextmanager
    def applied(self, model: Backbone, encoder: str) -> Iterator[None]:
        """One encoder of `model` has its updates; afterwards it is as it was."""
        if encoder not in self.encoders:
            yield
            return
        with contextlib.ExitStack() as stack:
            for layer, block in enumerate(blocks_of(model, encoder)):
                key = f"{encoder}_{layer}"
                if self.training and self.dropout:
                    stack.enter_context(_branch(block, lambda x, key=key: self._branch_of(key, x)))
                else:
                    weight = block.attn.in_proj_weight + self._update(key, block)
                    stack.enter_context(standing_in(block.attn, "in_proj_weight", weight))
            yield

    def _update(self, key: str, block: nn.Module) -> Tensor:
        """What is added to the packed projection, [3 D, D]."""
        width = block.attn.embed_dim
        zero = block.attn.in_proj_weight.new_zeros(width, width)
        return torch.cat([
            (self.scale * self.up[f"{key}_{part}"] @ self.down[f"{key}_{part}"]).to(zero.dtype)
            if part in self.parts else zero
            for part in PARTS
        ])  # fmt: skip

    def _branch_of(self, key: str, x: Tensor) -> Tensor:
        """What is added to the projected tokens, [..., 3 D]; each part has masks of its own."""
        added = []
        for part in PARTS:
            if part not in self.parts:
                added.append(torch.zeros_like(x))
                continue
            dropped = F.dropout(x, self.dropout)
            down, up = self.down[f"{key}_{part}"], self.up[f"{key}_{part}"]
            inner = F.linear(dropped, down.to(x.dtype))
            added.append(self.scale * F.linear(inner, up.to(x.dtype)))
        return torch.cat(added, dim=-1)


@contextlib.contextmanager
def _branch(block: nn.Module, branch) -> Iterator[None]:
    """A block whose projections `promptkit.encoders.blocks` adds something to."""
    block.__dict__["branch"] = branch  # no submodule: nothing of it is in a state dict
    try:
        yield
    finally:
        del block.__dict__["branch"]
