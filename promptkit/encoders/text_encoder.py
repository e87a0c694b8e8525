"""CLIP's text encoder on prompts that share their beginnings: exact, at a fraction of the cost.

The encoder is causal, so a token sees only tokens before it. Three things follow. Nothing after the
end-of-text token can reach the feature that is read there: sequences are cut. A prefix that all
classes share sees nothing of the class: its keys and values are computed once per layer. And
suffixes that begin alike ("red cat.", "red car.") are a tree, see `suffix_trie`: a token is
computed once for all that share it. Work per layer falls from C x 77 tokens to P + the distinct
ones. Deep prompts replace tokens of the prefix and inserted ones make it longer, and leave it
shared; class-aware tokens end the sharing at the layer where they come in. Below the first layer
where anything is learned the tokens are the same in every step: `below` keeps them.
`encode_prompts_reference` is the slow obvious twin with whole sequences per class; both give the
same features and gradients. It is also the only way for encoders of which one of the three things
does not hold: `Backbone.not_shared` says which.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from promptkit import ranks
from promptkit.backbones.backbone import Backbone
from promptkit.encoders.blocks import (
    Beside,
    attend,
    finish,
    heads,
    project_packed,
    replace_tokens,
)
from promptkit.encoders.inserted import Inserted
from promptkit.encoders.own_code import encode_text_with
from promptkit.encoders.suffix_trie import SuffixTrie


@dataclass(frozen=True)
class Prompts:
    """C prompts as one shared prefix and one suffix per class, without positions.

    Attributes:
        prefix: [P, D] token embeddings that all prompts begin with (the start of text, where there
            is one); [A, P, D] for A such beginnings, of which every class gets each.
        suffix: [C, S, D] what follows, each up to its end-of-text token, padded at the end.
        tree: which of the suffixes' tokens are one.
        deep: [M, D] each, what replaces the tokens behind the start before layer 1, 2, ...
        injection: class-aware tokens in those places, with a prefix [P, D] only.
        inserted: tokens that come in behind the start at a layer.
        beside: what joins the output of layers, by their number.
        kept: what frozen layers have made of prefix and suffix, see `below`.
        skipped: tokens of the prefix between the start and those that deep prompts replace; what
            is injected or inserted stands there, too.
    """

    prefix: Tensor
    suffix: Tensor
    tree: SuffixTrie
    deep: tuple[Tensor, ...] = ()
    injection: "Injection | None" = None
    inserted: Inserted | None = None
    beside: Mapping[int, Beside] = field(default_factory=dict)
    kept: "Below | None" = None
    skipped: int = 0

    def of_classes(self, rows: Tensor | slice) -> "Prompts":
        """The prompts of some classes; of all of them, these."""
        if isinstance(rows, slice) and rows.stop is None:
            return self
        there = rows if isinstance(rows, slice) else rows.to(self.suffix.device)
        injection = self.injection
        if injection:
            injection = replace(injection, tokens=injection.tokens[there])
        kept = self.kept and replace(self.kept, suffix=self.kept.suffix[there])
        some = replace(
            self, suffix=self.suffix[there], tree=self.tree.of_sequences(rows),
            injection=injection, kept=kept,
        )  # fmt: skip
        some.lay_out()
        return some

    def lay_out(self) -> None:
        """Makes what the layers need of the trie, once, see `SuffixTrie.behind`."""
        shared = self.prefix.shape[-2]
        self.tree.behind(shared)
        if self.inserted:
            self.tree.behind(shared + len(self.inserted))


@dataclass(frozen=True)
class Injection:
    """Tokens [C, M, D] that replace those behind the start of each class before layer `layer`."""

    layer: int
    tokens: Tensor


@dataclass(frozen=True)
class Below:
    """What the layers below `layer` have made of a prefix [P, D] and suffixes [C, S, D]."""

    layer: int
    prefix: Tensor
    suffix: Tensor


@torch.no_grad()
def below(model: Backbone, prompts: Prompts, layer: int) -> Prompts:
    """The prompts, a prefix [P, D] and its suffixes, with what goes into a layer kept.

    Nothing may be learned in front of that layer. Where classes share nothing nothing is kept.
    """
    if model.not_shared or not layer:
        return prompts
    x, suffixes = _nodes(model, prompts)
    start = len(prompts.prefix)
    tree = suffixes.behind(start)
    for block in model.text_blocks[:layer]:
        x = _layer(block, x, tree, ends_only=False)
    kept = Below(layer, x[0, :start], suffixes.sequences_of(x[0, start:]))
    return replace(prompts, kept=kept)


def encode_prompts(model: Backbone, prompts: Prompts) -> Tensor:
    """Text features [C, E], or [A, C, E], not normalised; equal to the whole sequences'."""
    if model.not_shared:
        return encode_prompts_reference(model, prompts)
    x, suffixes = _nodes(model, prompts)
    behind_start, start = len(model.tokenizer.start) + prompts.skipped, prompts.prefix.shape[-2]
    tree, blocks = suffixes.behind(start), model.text_blocks
    for index, block in enumerate(blocks):
        if prompts.kept and index < prompts.kept.layer:
            continue
        if 0 < index <= len(prompts.deep):
            x = replace_tokens(x, prompts.deep[index - 1], behind_start)
        if prompts.inserted:
            x = prompts.inserted.entered(x, index, behind_start)
            if index == prompts.inserted.layer:
                tree = suffixes.behind(start + len(prompts.inserted))
        if prompts.injection and index == prompts.injection.layer:
            own = tree.sequences_of(x[0])  # [C, P + S, D]
            own = replace_tokens(own, prompts.injection.tokens, behind_start)
            tree = suffixes.apart(start)
            x = tree.nodes_of(own)[None]
        beside = prompts.beside.get(index)
        x = _layer(block, x, tree, ends_only=index == len(blocks) - 1, beside=beside)
    features = model.project_text(x)
    return features if prompts.prefix.dim() == 3 else features[0]


def _nodes(model: Backbone, prompts: Prompts) -> tuple[Tensor, SuffixTrie]:
    """What goes into the first layer, or the first that is not kept: [A, P + N, D], and the trie.

    A prefixes of P tokens, and the N distinct tokens of the suffixes behind each.
    """
    dtype, kept = model.dtype, prompts.kept
    suffixes = prompts.tree.to(prompts.suffix.device)
    if kept:
        return torch.cat([kept.prefix, suffixes.nodes_of(kept.suffix)])[None], suffixes
    positions = model.positional_embedding.to(dtype)
    prefix = prompts.prefix if prompts.prefix.dim() == 3 else prompts.prefix[None]  # [A, P, D]
    count, start = prefix.shape[:2]
    places = positions[start : start + prompts.suffix.shape[1]]
    nodes = suffixes.nodes_of(prompts.suffix.to(dtype) + places).expand(count, -1, -1)
    return torch.cat([prefix.to(dtype) + positions[:start], nodes], dim=1), suffixes


def _layer(
    block: nn.Module, x: Tensor, tree: SuffixTrie, *, ends_only: bool, beside: Beside | None = None
) -> Tensor:
    """One residual attention block on the nodes [A, N, D] of a trie of whole sequences.

    Every token is projected once. Attention, which is cheap, is of whole sequences: a node that
    several share gets the same from each, and takes the first's.

    With `ends_only` only the ends of text go on, [A, C, D]: nothing else is read any more.
    """
    packed = project_packed(block, x)  # [A, N, 3 D]
    attended = [_attended(block, packed, group) for group in tree.groups]
    attended = torch.cat(attended, dim=1) if len(attended) > 1 else attended[0]  # [A, places, D]
    if ends_only:
        x, places = x.index_select(1, tree.end_nodes), tree.last
    else:
        places = tree.first
    return finish(block, x, attended.index_select(1, places), beside)


def _attended(block: nn.Module, packed: Tensor, group: Tensor) -> Tensor:
    """Attention within sequences of nodes [G, S]: packed [A, N, 3 D] to [A, G S, D]."""
    sequences = packed.index_select(1, group.flatten()).view(-1, group.shape[1], packed.shape[2])
    seen = attend(*heads(block, sequences), is_causal=True)  # [A * G, S, D]
    return seen.view(len(packed), -1, seen.shape[2])


def encode_prompts_reference(model: Backbone, prompts: Prompts) -> Tensor:
    """The slow twin: every class as its own whole sequence through the encoder's own code."""
    if prompts.prefix.dim() == 3:
        parts = [replace(prompts, prefix=prefix) for prefix in prompts.prefix]
        return torch.stack([encode_prompts_reference(model, part) for part in parts])
    classes, embedding = len(prompts.suffix), model.token_embedding.weight
    prefix = prompts.prefix.expand(classes, -1, -1)
    x = torch.cat([prefix, prompts.suffix], dim=1).to(model.dtype)[:, : model.context_length]
    padding = embedding[model.tokenizer.pad].to(x.dtype)
    x = torch.cat([x, padding.expand(classes, model.context_length - x.shape[1], -1)], dim=1)
    layers = dict(enumerate(prompts.deep, 1))
    if prompts.injection:
        layers[prompts.injection.layer] = prompts.injection.tokens
    ends = prompts.tree.ends.to(x.device) + len(prompts.prefix)
    return encode_text_with(
        model, x, ends, layers, inserted=prompts.inserted, beside=prompts.beside,
        skipped=prompts.skipped,
    )  # fmt: skip


def encode_in_chunks(
    encode: Callable[[Backbone, Prompts], Tensor], model: Backbone, prompts: Prompts, chunk: int
) -> Tensor:
    """As `encode`, at most `chunk` classes at a time, so that memory does not grow with C.

    With gradients, what a chunk needs for its backward pass is computed again there: half as much
    time more, the same gradients. Processes of one run share the classes of a step.
    """

    def encoded(rows: slice) -> Tensor:
        return _in_chunks(encode, model, prompts.of_classes(rows), chunk)

    return ranks.split(encoded, len(prompts.suffix))


def _in_chunks(
    encode: Callable[[Backbone, Prompts], Tensor], model: Backbone, prompts: Prompts, chunk: int
) -> Tensor:
    count = len(prompts.suffix)
    if count <= chunk:
        return encode(model, prompts)
    parts = [prompts.of_classes(rows) for rows in torch.arange(count).split(chunk)]
    if not torch.is_grad_enabled():
        return torch.cat([encode(model, part) for part in parts])
    return torch.cat([checkpoint(encode, model, part, use_reentrant=False) for part in parts])


ENCODERS = {"fast": encode_prompts, "reference": encode_prompts_reference}
