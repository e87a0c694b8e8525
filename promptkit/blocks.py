"""CLIP's residual attention block, taken apart so that queries may look at other tokens' keys."""

import torch
from clip.model import ResidualAttentionBlock
from torch import Tensor
from torch.nn import functional as F


def project(block: ResidualAttentionBlock, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of tokens x [G, S, D], each [G, heads, S, D / heads]."""
    return _heads(block, x, slice(None), 3)


def queries(block: ResidualAttentionBlock, x: Tensor) -> Tensor:
    """The queries alone."""
    return _heads(block, x, slice(0, x.shape[-1]), 1)[0]


def keys_values(block: ResidualAttentionBlock, x: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values alone."""
    return _heads(block, x, slice(x.shape[-1], None), 2)


def _heads(block: ResidualAttentionBlock, x: Tensor, rows: slice, parts: int) -> tuple[Tensor, ...]:
    attention = block.attn
    weight, bias = attention.in_proj_weight[rows], attention.in_proj_bias[rows]
    packed = F.linear(block.ln_1(x), weight, bias)
    heads = packed.unflatten(-1, (parts, attention.num_heads, -1))  # [G, S, parts, heads, d]
    return heads.permute(2, 0, 3, 1, 4).unbind(0)


def finish(block: ResidualAttentionBlock, x: Tensor, attended: Tensor) -> Tensor:
    """Output projection and MLP with their residuals: x [G, S, D], attended per head, [G, S, D]."""
    x = x + block.attn.out_proj(attended.transpose(1, 2).flatten(2))
    return x + block.mlp(block.ln_2(x))


def replace_tokens(x: Tensor, tokens: Tensor, start: int) -> Tensor:
    """x [G, S, D] with `tokens` ([M, D], or [G, M, D]) in the places from `start` on."""
    tokens = tokens.to(x.dtype).expand(len(x), -1, -1)
    return torch.cat([x[:, :start], tokens, x[:, start + tokens.shape[1] :]], dim=1)
