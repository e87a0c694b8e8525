"""CLIP's residual attention block, taken apart so that queries may look at other tokens' keys.

OpenAI's, or one of the same parts, see `promptkit.backbones.sharing`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Beside = Callable[[Tensor], Tensor]  # a block's input behind its first norm to a part of its output
QUICK = 1.702  # of QuickGELU


def project(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of tokens x [G, S, D], each [G, heads, S, D / heads]."""
    return heads(block, project_packed(block, x))


def project_packed(block: nn.Module, x: Tensor, rows: slice = slice(None)) -> Tensor:
    """Queries, keys and values side by side, [G, S, 3 D], or those `rows` of the projection."""
    attention, branch, x = block.attn, getattr(block, "branch", None), block.ln_1(x)
    packed = F.linear(x, attention.in_proj_weight[rows], attention.in_proj_bias[rows])
    return packed if branch is None else packed + branch(x)[..., rows]  # see `low_rank`


def heads(block: nn.Module, packed: Tensor, parts: int = 3) -> tuple[Tensor, ...]:
    """[G, S, parts D] to so many parts of [G, heads, S, D / heads]."""
    split = packed.unflatten(-1, (parts, block.attn.num_heads, -1))  # [G, S, parts, heads, d]
    return split.permute(2, 0, 3, 1, 4).unbind(0)


def queries(block: nn.Module, x: Tensor) -> Tensor:
    """The queries alone."""
    return heads(block, project_packed(block, x, slice(0, x.shape[-1])), 1)[0]


def keys_values(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values alone."""
    return heads(block, project_packed(block, x, slice(x.shape[-1], None)), 2)


def attend(query: Tensor, key: Tensor, value: Tensor, **mask) -> Tensor:
    """Attention of each head, side by side: [G, S, D]."""
    attended = F.scaled_dot_product_attention(query, key, value, **mask)
    return attended.transpose(1, 2).flatten(2)


def finish(block: nn.Module, x: Tensor, attended: Tensor, beside: Beside | None = None) -> Tensor:
    """Output projection and MLP with their residuals: x and attended [G, S, D] to [G, S, D].

    What stands `beside` the block joins its output; it sees each token by itself.
    """
    inner = x + _scaled(block, "ls_1", block.attn.out_proj(attended))
    out = inner + _scaled(block, "ls_2", _mlp(block.mlp, block.ln_2(inner)))
    return out if beside is None else out + beside(first_norm(block)(x))


def first_norm(block: nn.Module) -> nn.Module:
    """The norm before the attention, under OpenAI's name or timm's.

    Raises:
        ValueError: it has none.
    """
    norm = getattr(block, "ln_1", None) or getattr(block, "norm1", None)
    if norm is None:
        raise ValueError(f"a layer of {type(block).__name__} has no norm before its attention")
    return norm


def _mlp(mlp: nn.Module, x: Tensor) -> Tensor:
    """The two-layer network [G, S, D], QuickGELU in one piece instead of three.

    QuickGELU(h) = h sigmoid(a h) = SiLU(a h) / a, and the products around it take both factors.
    """
    if type(getattr(mlp, "gelu", None)).__name__ != "QuickGELU":  # of OpenAI or open_clip
        return mlp(x)
    first, second = mlp.c_fc, mlp.c_proj
    inner = F.silu(_linear(x, first, input_scale=QUICK, bias_scale=QUICK))
    return _linear(inner, second, input_scale=1 / QUICK)


def _linear(x: Tensor, layer: nn.Linear, *, input_scale: float, bias_scale: float = 1.0) -> Tensor:
    """A linear layer's two terms, each times a number, in one piece."""
    rows = x.flatten(0, -2)
    y = torch.addmm(layer.bias, rows, layer.weight.t(), beta=bias_scale, alpha=input_scale)
    return y.unflatten(0, x.shape[:-1])


def _scaled(block: nn.Module, name: str, x: Tensor) -> Tensor:
    """By the block's LayerScale, if it has one."""
    scale = getattr(block, name, None)
    return x if scale is None else scale(x)


def replace_tokens(x: Tensor, tokens: Tensor, start: int) -> Tensor:
    """x [G, S, D] with `tokens` ([M, D], or [G, M, D]) in the places from `start` on."""
    tokens = tokens.to(x.dtype).expand(len(x), -1, -1)
    return torch.cat([x[:, :start], tokens, x[:, start + tokens.shape[1] :]], dim=1)
