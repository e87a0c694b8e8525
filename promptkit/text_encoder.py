"""CLIP's text encoder on prompts that share a prefix: exact, at a fraction of the cost.

The encoder is causal, so a token sees only tokens before it. Two things follow. Nothing after the
end-of-text token can reach the feature that is read there: sequences are cut. And a prefix that
all classes share sees nothing of the class: its keys and values are computed once per layer, and
each class's suffix attends to them and to itself. Work per layer falls from C x 77 tokens to
P + C x S. Deep prompts replace tokens of the prefix and leave it shared; class-aware tokens end
the sharing at the layer where they come in. `encode_prompts_reference` is the slow obvious twin
with 77 tokens per class; both give the same features and gradients.
"""

from dataclasses import dataclass, replace

import torch
from clip.model import CLIP, ResidualAttentionBlock
from torch import Tensor
from torch.nn import functional as F

from promptkit.blocks import finish, keys_values, project, queries, replace_tokens
from promptkit.tokens import CONTEXT_LENGTH

# Running one more group of suffixes costs about as much as this many tokens more in a group.
GROUP_COST_TOKENS = 64


@dataclass(frozen=True)
class Prompts:
    """C prompts as one shared prefix and one suffix per class, without positions.

    Attributes:
        prefix: [P, D] token embeddings that all prompts begin with (at least the start of text);
            [A, P, D] for A such beginnings, of which every class gets each.
        suffix: [C, S, D] what follows, each up to its end-of-text token, padded at the end.
        groups: which suffixes run together, see `group_by_length`.
        deep: [M, D] each, what replaces the tokens 1 to M of the prefix before layer 1, 2, ...
        injection: class-aware tokens in those places, with a prefix [P, D] only.
    """

    prefix: Tensor
    suffix: Tensor
    groups: tuple["Group", ...]
    deep: tuple[Tensor, ...] = ()
    injection: "Injection | None" = None

    def of_classes(self, rows: Tensor) -> "Prompts":
        """The prompts of some classes, without an injection."""
        lengths = torch.empty(len(self.suffix), dtype=torch.long)
        for group in self.groups:
            lengths[group.rows.cpu()] = group.ends.cpu() + 1
        groups = group_by_length(lengths[rows])
        return Prompts(self.prefix, self.suffix[rows.to(self.suffix.device)], groups, self.deep)


@dataclass(frozen=True)
class Injection:
    """Tokens [C, M, D] that replace the tokens 1 to M of each class before layer `layer`."""

    layer: int
    tokens: Tensor


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
    """Text features [C, E], or [A, C, E], not normalised; equal to the 77-token encoder's."""
    dtype, positions = model.dtype, model.positional_embedding
    prefix = prompts.prefix if prompts.prefix.dim() == 3 else prompts.prefix[None]  # [A, P, D]
    count, start = prefix.shape[:2]
    prefix = prefix.to(dtype) + positions[:start].to(dtype)
    suffix = prompts.suffix.to(dtype)
    states = []  # per group [A * G, S, D]
    for group in prompts.groups:
        place = positions[start : start + group.length].to(dtype)
        state = suffix[group.rows, : group.length] + place
        states.append(state.expand(count, -1, -1, -1).flatten(0, 1))
    *blocks, last = model.transformer.resblocks
    for index, block in enumerate([*blocks, last]):
        if 0 < index <= len(prompts.deep):
            prefix = replace_tokens(prefix, prompts.deep[index - 1], 1)
        if prompts.injection and index == prompts.injection.layer:
            states = _inject(prefix, states, prompts)
            prefix = prefix[:, :0]
        if block is not last:
            prefix, states = _layer(block, prefix, states)
    joined = start - prefix.shape[1]  # tokens of the prefix that the states hold by now
    ends = [group.ends.to(suffix.device) + joined for group in prompts.groups]
    features = [
        x.unflatten(0, (count, -1)) for x in _last_layer(last, prefix, states, ends)
    ]  # per group [A, G, D]
    order = torch.cat([group.rows for group in prompts.groups]).argsort()
    features = model.ln_final(torch.cat(features, dim=1))[:, order].to(dtype)
    features = features @ model.text_projection
    return features if prompts.prefix.dim() == 3 else features[0]


def _inject(prefix: Tensor, states: list[Tensor], prompts: Prompts) -> list[Tensor]:
    """Whole sequences [G, P + S, D] of each group, with the class's own tokens in the prefix."""
    whole = []
    for state, group in zip(states, prompts.groups, strict=True):
        tokens = prompts.injection.tokens[group.rows.to(state.device)]
        own = replace_tokens(prefix.expand(len(state), -1, -1), tokens, 1)
        whole.append(torch.cat([own, state], dim=1))
    return whole


def _layer(
    block: ResidualAttentionBlock, prefix: Tensor, states: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """One residual attention block on the prefixes [A, P, D] and on each group [A * G, S, D]."""
    if not prefix.shape[1]:
        return prefix, [_whole(block, state) for state in states]
    query, prefix_key, prefix_value = project(block, prefix)
    attended = F.scaled_dot_product_attention(query, prefix_key, prefix_value, is_causal=True)
    outputs = []
    for state in states:
        query, key, value = project(block, state)
        size = len(state) // len(prefix)
        key = torch.cat([_for_each(prefix_key, size), key], dim=2)
        value = torch.cat([_for_each(prefix_value, size), value], dim=2)
        mask = _suffix_mask(prefix.shape[1], state.shape[1], state.device)
        suffix_attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        outputs.append(finish(block, state, suffix_attended))
    return finish(block, prefix, attended), outputs


def _last_layer(
    block: ResidualAttentionBlock, prefix: Tensor, states: list[Tensor], ends: list[Tensor]
) -> list[Tensor]:
    """The last block where it is read, at the ends of text: per group [A * G, D]."""
    prefix_key, prefix_value = keys_values(block, prefix)
    outputs = []
    for state, end in zip(states, ends, strict=True):
        size = len(state) // len(prefix)
        key, value = keys_values(block, state)
        key = torch.cat([_for_each(prefix_key, size), key], dim=2)
        value = torch.cat([_for_each(prefix_value, size), value], dim=2)
        end = end.repeat(len(prefix))
        read = state[torch.arange(len(state), device=state.device), end][:, None]  # [A * G, 1, D]
        mask = _suffix_mask(prefix.shape[1], state.shape[1], state.device)[end][:, None, None]
        attended = F.scaled_dot_product_attention(queries(block, read), key, value, attn_mask=mask)
        outputs.append(finish(block, read, attended)[:, 0])
    return outputs


def _whole(block: ResidualAttentionBlock, state: Tensor) -> Tensor:
    """The block on sequences [G, L, D] that share nothing."""
    attended = F.scaled_dot_product_attention(*project(block, state), is_causal=True)
    return finish(block, state, attended)


def _for_each(x: Tensor, size: int) -> Tensor:
    """[A, heads, P, d] to [A * size, heads, P, d]."""
    return x[:, None].expand(-1, size, -1, -1, -1).flatten(0, 1)


def _suffix_mask(prefix: int, suffix: int, device: torch.device) -> Tensor:
    """[S, P + S], true where a suffix token may look: all of the prefix, itself, what is before."""
    ones = torch.ones(suffix, prefix + suffix, dtype=torch.bool, device=device)
    return ones.tril(diagonal=prefix)


def encode_prompts_reference(model: CLIP, prompts: Prompts) -> Tensor:
    """The slow twin: every class as its own sequence of 77 tokens through CLIP's own blocks."""
    if prompts.prefix.dim() == 3:
        parts = [replace(prompts, prefix=prefix) for prefix in prompts.prefix]
        return torch.stack([encode_prompts_reference(model, part) for part in parts])
    classes, dtype = len(prompts.suffix), model.dtype
    prefix = prompts.prefix.expand(classes, -1, -1)
    x = torch.cat([prefix, prompts.suffix], dim=1).to(dtype)[:, :CONTEXT_LENGTH]
    x = F.pad(x, (0, 0, 0, CONTEXT_LENGTH - x.shape[1]))
    x = x + model.positional_embedding.to(dtype)
    for index, block in enumerate(model.transformer.resblocks):
        if 0 < index <= len(prompts.deep):
            x = replace_tokens(x, prompts.deep[index - 1], 1)
        if prompts.injection and index == prompts.injection.layer:
            x = replace_tokens(x, prompts.injection.tokens, 1)
        x = block(x.transpose(0, 1)).transpose(0, 1)
    x = model.ln_final(x).to(dtype)
    ends = torch.empty(classes, dtype=torch.long)
    for group in prompts.groups:
        ends[group.rows.cpu()] = group.ends.cpu() + len(prompts.prefix)
    return x[torch.arange(classes), ends] @ model.text_projection


ENCODERS = {"fast": encode_prompts, "reference": encode_prompts_reference}
