"""CLIP's text encoder on prompts that share their beginnings: exact, at a fraction of the cost.

The encoder is causal, so a token sees only tokens before it. Three things follow. Nothing after the
end-of-text token can reach the feature that is read there: sequences are cut. A prefix that all
classes share sees nothing of the class: its keys and values are computed once per layer. And
suffixes that begin alike ("red cat.", "red car.") are a tree, see `suffix_tree`: a token is
computed once for all that share it. Work per layer falls from C x 77 tokens to P + the distinct
ones. Deep prompts replace tokens of the prefix and leave it shared; class-aware tokens end the
sharing at the layer where they come in. `encode_prompts_reference` is the slow obvious twin with 77
tokens per class; both give the same features and gradients.
"""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from promptkit.backbones.installed_clip import CLIP, ResidualAttentionBlock
from promptkit.backbones.tokens import CONTEXT_LENGTH
from promptkit.encoders.blocks import attend, finish, heads, project_packed, replace_tokens
from promptkit.encoders.suffix_tree import SuffixTree


@dataclass(frozen=True)
class Prompts:
    """C prompts as one shared prefix and one suffix per class, without positions.

    Attributes:
        prefix: [P, D] token embeddings that all prompts begin with (at least the start of text);
            [A, P, D] for A such beginnings, of which every class gets each.
        suffix: [C, S, D] what follows, each up to its end-of-text token, padded at the end.
        tree: which of the suffixes' tokens are one.
        deep: [M, D] each, what replaces the tokens 1 to M of the prefix before layer 1, 2, ...
        injection: class-aware tokens in those places, with a prefix [P, D] only.
    """

    prefix: Tensor
    suffix: Tensor
    tree: SuffixTree
    deep: tuple[Tensor, ...] = ()
    injection: "Injection | None" = None

    def of_classes(self, rows: Tensor) -> "Prompts":
        """The prompts of some classes."""
        there = rows.to(self.suffix.device)
        injection = self.injection
        if injection:
            injection = replace(injection, tokens=injection.tokens[there])
        tree = self.tree.of_suffixes(rows)
        return replace(self, suffix=self.suffix[there], tree=tree, injection=injection)


@dataclass(frozen=True)
class Injection:
    """Tokens [C, M, D] that replace the tokens 1 to M of each class before layer `layer`."""

    layer: int
    tokens: Tensor


def encode_prompts(model: CLIP, prompts: Prompts) -> Tensor:
    """Text features [C, E], or [A, C, E], not normalised; equal to the 77-token encoder's."""
    dtype, positions = model.dtype, model.positional_embedding.to(model.dtype)
    prefix = prompts.prefix if prompts.prefix.dim() == 3 else prompts.prefix[None]  # [A, P, D]
    count, start = prefix.shape[:2]
    prefix = prefix.to(dtype) + positions[:start]
    tree = prompts.tree.to(prompts.suffix.device)
    places = positions[start : start + prompts.suffix.shape[1]]
    nodes = tree.nodes_of(prompts.suffix.to(dtype) + places).expand(count, -1, -1)  # [A, N, D]
    blocks = model.transformer.resblocks
    for index, block in enumerate(blocks):
        if 0 < index <= len(prompts.deep):
            prefix = replace_tokens(prefix, prompts.deep[index - 1], 1)
        if prompts.injection and index == prompts.injection.layer:
            own = replace_tokens(prefix.expand(len(tree), -1, -1), prompts.injection.tokens, 1)
            whole = torch.cat([own, tree.sequences_of(nodes[0])], dim=1)  # [C, P + S, D]
            tree = tree.apart(start)
            prefix, nodes = prefix[:, :0], tree.nodes_of(whole)[None]
        prefix, nodes = _layer(block, prefix, nodes, tree, ends_only=index == len(blocks) - 1)
    features = model.ln_final(nodes).to(dtype) @ model.text_projection
    return features if prompts.prefix.dim() == 3 else features[0]


def _layer(
    block: ResidualAttentionBlock,
    prefix: Tensor,
    nodes: Tensor,
    tree: SuffixTree,
    *,
    ends_only: bool,
) -> tuple[Tensor, Tensor]:
    """One residual attention block on the prefixes [A, P, D] and the suffixes' nodes [A, N, D].

    With `ends_only` what is not read any more is left out: the result is no prefix and the
    ends of text [A, C, D].
    """
    count, start = prefix.shape[:2]
    packed = project_packed(block, nodes)  # [A, N, 3 D]
    prefix_packed = project_packed(block, prefix)
    prefix_query, prefix_key, prefix_value = heads(block, prefix_packed)
    attended = []
    for group in tree.groups:
        size, length = group.nodes.shape
        query, key, value = heads(block, group.sequences_of(packed))  # [A * G, heads, S, d]
        key = torch.cat([_for_each(prefix_key, size), key], dim=2)
        value = torch.cat([_for_each(prefix_value, size), value], dim=2)
        mask = _suffix_mask(start, length, nodes.device)
        if ends_only:
            ends = group.ends.repeat(count)
            query = query[torch.arange(len(query), device=query.device), :, ends][:, :, None]
            mask = mask[ends][:, None, None]
        part = attend(query, key, value, attn_mask=mask)
        attended.append(part.view(count, -1, nodes.shape[2]))
    attended = torch.cat(attended, dim=1)  # [A, places of all groups, D]
    if ends_only:
        ends = nodes.index_select(1, tree.end_nodes)
        return prefix[:, :0], finish(block, ends, attended.index_select(1, tree.order))
    nodes = finish(block, nodes, attended.index_select(1, tree.first))
    if start:
        seen = attend(prefix_query, prefix_key, prefix_value, is_causal=True)
        prefix = finish(block, prefix, seen)
    return prefix, nodes


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
    ends = prompts.tree.ends.to(x.device) + len(prompts.prefix)
    return x[torch.arange(classes, device=x.device), ends] @ model.text_projection


def encode_in_chunks(
    encode: Callable[[CLIP, Prompts], Tensor], model: CLIP, prompts: Prompts, chunk: int
) -> Tensor:
    """As `encode`, at most `chunk` classes at a time, so that memory does not grow with C.

    With gradients, what a chunk needs for its backward pass is computed again there: half as much
    time more, the same gradients. Chunks are never compiled: both computations of one must be the
    same, and the compiler gives up between two of them when it has seen enough shapes.
    """
    count = len(prompts.suffix)
    if count <= chunk:
        return encode(model, prompts)
    encode = not_compiled(encode)
    parts = [prompts.of_classes(rows) for rows in torch.arange(count).split(chunk)]
    if not torch.is_grad_enabled():
        return torch.cat([encode(model, part) for part in parts])
    return torch.cat([checkpoint(encode, model, part, use_reentrant=False) for part in parts])


def encode_prompts_compiled(model: CLIP, prompts: Prompts) -> Tensor:
    """As `encode_prompts`, compiled when it is first called with prompts of a shape.

    On a CPU this gains nothing, see docs/performance.md; on a GPU it spares kernel launches. The
    compiler gives up after eight shapes in a process (torch._dynamo.config.recompile_limit).
    """
    if prompts.injection:  # makes another tree on the way, which cannot be traced
        return encode_prompts(model, prompts)
    with warnings.catch_warnings():  # tracing looks at gradients of what is no leaf
        warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")
        warnings.filterwarnings("ignore", "Guards may run slower on Python 3.13.0", RuntimeWarning)
        return _compiled(COMPILER)(model, prompts)


@functools.cache
def _compiled(compiler: str) -> Callable[[CLIP, Prompts], Tensor]:
    return torch.compile(encode_prompts, backend=compiler, dynamic=False)


def not_compiled(encode: Callable[[CLIP, Prompts], Tensor]) -> Callable[[CLIP, Prompts], Tensor]:
    """The encoder itself, or what it is compiled from."""
    return encode_prompts if encode is encode_prompts_compiled else encode


COMPILER = "inductor"
ENCODERS = {
    "fast": encode_prompts,
    "compiled": encode_prompts_compiled,
    "reference": encode_prompts_reference,
}
