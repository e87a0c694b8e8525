"""CLIP's text encoder on prompts that share a prefix: exact, at a fraction of the cost.

The encoder is causal, so a token sees only tokens before it. Two things follow. Nothing after the
end-of-text token can reach the feature that is read there: sequences are cut. And a prefix that
all classes share sees nothing of the class: its keys and values are computed once per layer, and
each class's suffix attends to them and to itself. Work per layer falls from C x 77 tokens to
P + C x S. `encode_prompts_reference` is the slow obvious twin with 77 tokens per class; both give
the same features and gradients.
"""

from dataclasses import dataclass

import torch
from clip.model import CLIP, ResidualAttentionBlock
from torch import Tensor
from torch.nn import functional as F

from promptkit.tokens import CONTEXT_LENGTH

# Running one more group of suffixes costs about as much as this many tokens more in a group.
GROUP_COST_TOKENS = 64


@dataclass(frozen=True)
class Prompts:
    """C prompts as one shared prefix and one suffix per class, without positions.

    Attributes:
        prefix: [P, D] token embeddings that all prompts begin with (at least the start of text).
        suffix: [C, S, D] what follows, each up to its end-of-text token, padded at the end.
        groups: which suffixes run together, see `group_by_length`.
    """

    prefix: Tensor
    suffix: Tensor
    groups: tuple["Group", ...]


@dataclass(frozen=True)
class Group:
    """Suffixes that run in one batch.

    Attributes:
        rows: [G] rows of the suffix tensor.
        ends: [G] position of each suffix's end-of-text token.
        length: tokens per suffix, the longest's.
    """

    rows: Tensor
    ends: Tensor
    length: int


def group_by_length(lengths: Tensor) -> tuple[Group, ...]:
    """Splits suffixes of `lengths` [C] tokens so that one long name does not pad the rest.

    Chooses the split of the sorted lengths with the least padded tokens plus a fixed cost per
    group (dynamic programming over the distinct lengths).
    """
    lengths = lengths.cpu()
    distinct, counts = torch.unique(lengths, return_counts=True)
    distinct, totals = distinct.tolist(), [0, *counts.cumsum(0).tolist()]
    best: list[tuple[int, int]] = [(0, 0)]  # cost of the first i distinct lengths, last cut
    for stop in range(1, len(distinct) + 1):
        best.append(
            min(
                (best[cut][0] + (totals[stop] - totals[cut]) * distinct[stop - 1]
                 + GROUP_COST_TOKENS, cut)
                for cut in range(stop)
            )
        )  # fmt: skip
    groups, stop = [], len(distinct)
    while stop:
        cut = best[stop][1]
        rows = ((lengths >= distinct[cut]) & (lengths <= distinct[stop - 1])).nonzero().squeeze(1)
        groups.append(Group(rows, lengths[rows] - 1, distinct[stop - 1]))
        stop = cut
    return tuple(reversed(groups))


def encode_prompts(model: CLIP, prompts: Prompts) -> Tensor:
    """Text features [C, E], not normalised; equal to the 77-token encoder's."""
    dtype, positions = model.dtype, model.positional_embedding
    start = len(prompts.prefix)
    prefix = (prompts.prefix.to(dtype) + positions[:start].to(dtype))[None]  # [1, P, D]
    suffix = prompts.suffix.to(dtype)
    states = [
        suffix[group.rows, : group.length] + positions[start : start + group.length].to(dtype)
        for group in prompts.groups
    ]
    for block in model.transformer.resblocks:
        prefix, states = _layer(block, prefix, states)
    features = [
        state[torch.arange(len(state), device=state.device), group.ends.to(state.device)]
        for state, group in zip(states, prompts.groups, strict=True)
    ]
    order = torch.cat([group.rows for group in prompts.groups]).argsort()
    return model.ln_final(torch.cat(features))[order].to(dtype) @ model.text_projection


def _layer(
    block: ResidualAttentionBlock, prefix: Tensor, states: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """One residual attention block on the prefix [1, P, D] and on each group [G, S, D]."""
    query, prefix_key, prefix_value = _project(block, prefix)
    attended = F.scaled_dot_product_attention(query, prefix_key, prefix_value, is_causal=True)
    outputs = []
    for state in states:
        query, key, value = _project(block, state)
        size = len(state)
        key = torch.cat([prefix_key.expand(size, -1, -1, -1), key], dim=2)
        value = torch.cat([prefix_value.expand(size, -1, -1, -1), value], dim=2)
        mask = _suffix_mask(prefix.shape[1], state.shape[1], state.device)
        suffix_attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        outputs.append(_finish(block, state, suffix_attended))
    return _finish(block, prefix, attended), outputs


def _suffix_mask(prefix: int, suffix: int, device: torch.device) -> Tensor:
    """[S, P + S], true where a suffix token may look: all of the prefix, itself, what is before."""
    ones = torch.ones(suffix, prefix + suffix, dtype=torch.bool, device=device)
    return ones.tril(diagonal=prefix)


def _project(block: ResidualAttentionBlock, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each [G, heads, S, D / heads]."""
    attention = block.attn
    packed = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
    heads = packed.unflatten(-1, (3, attention.num_heads, -1))  # [G, S, 3, heads, D / heads]
    query, key, value = heads.permute(2, 0, 3, 1, 4)
    return query, key, value


def _finish(block: ResidualAttentionBlock, x: Tensor, attended: Tensor) -> Tensor:
    """Output projection and MLP with their residuals."""
    x = x + block.attn.out_proj(attended.transpose(1, 2).flatten(2))
    return x + block.mlp(block.ln_2(x))


def encode_prompts_reference(model: CLIP, prompts: Prompts) -> Tensor:
    """The slow twin: every class as its own sequence of 77 tokens through CLIP's own modules."""
    classes, dtype = len(prompts.suffix), model.dtype
    prefix = prompts.prefix.expand(classes, -1, -1)
    x = torch.cat([prefix, prompts.suffix], dim=1).to(dtype)[:, :CONTEXT_LENGTH]
    x = F.pad(x, (0, 0, 0, CONTEXT_LENGTH - x.shape[1]))
    x = x + model.positional_embedding.to(dtype)
    x = model.ln_final(model.transformer(x.transpose(0, 1)).transpose(0, 1)).to(dtype)
    ends = torch.empty(classes, dtype=torch.long)
    for group in prompts.groups:
        ends[group.rows.cpu()] = group.ends.cpu() + len(prompts.prefix)
    return x[torch.arange(classes), ends] @ model.text_projection


ENCODERS = {"fast": encode_prompts, "reference": encode_prompts_reference}
