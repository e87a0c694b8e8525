"""Learned tokens sent through an encoder's own code, with hooks: exact whatever it does with them.

The way for encoders that promptkit does not take apart, and the reference for those that it does.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.encoders.blocks import Beside, first_norm, replace_tokens
from promptkit.encoders.inserted import Inserted

Change = Callable[[Tensor], Tensor]  # tokens [N, S, D] to others


def encode_text_with(
    backbone: Backbone,
    tokens: Tensor,
    ends: Tensor,
    layers: dict[int, Tensor],
    *,
    inserted: Inserted | None = None,
    beside: Mapping[int, Beside] | None = None,
    skipped: int = 0,
) -> Tensor:
    """Text features [C, E], not normalised.

    Args:
        backbone: with the text encoder.
        tokens: [C, L, D] in place of its embeddings, without positions.
        ends: [C] position of the end of text.
        layers: tokens [M, D] or [C, M, D] that replace those behind the start before a layer.
        inserted: tokens that come in behind the start.
        beside: what joins the output of layers, by their number.
        skipped: tokens behind the start that stay in front of all these.

    Raises:
        ValueError: tokens are to be inserted, and the mask is not the layers' own and causal.
    """
    start = len(backbone.tokenizer.start) + skipped
    blocks = backbone.text_blocks
    with contextlib.ExitStack() as stack:
        put_in = backbone.token_embedding.register_forward_hook(lambda *_: tokens)
        stack.callback(put_in.remove)
        for layer, own in layers.items():
            stack.enter_context(_at_input(blocks[layer], _replacing(own, start), backbone))
        if inserted:
            _insert(stack, backbone, inserted, start)
        _put_beside(stack, blocks, beside or {})
        return backbone.encode_text(backbone.tokenizer.outline(ends))


def encode_image_with(
    backbone: Backbone,
    images: Tensor,
    tokens: Tensor,
    deep: Sequence[Tensor],
    beside: Mapping[int, Beside] | None = None,
) -> Tensor:
    """Image features [B, E], not normalised; the pooling does not see the learned tokens.

    Args:
        backbone: with an image encoder that has tokens.
        images: [B, 3, H, W].
        tokens: [M, D], which join those of the image before the first layer.
        deep: [M, D] each, what replaces them before layer 1, 2, ...
        beside: what joins the output of layers, by their number.
    """
    way, count = backbone.image_tokens, len(tokens)
    place = way.place  # None: behind all

    def join(x: Tensor) -> Tensor:
        nonlocal place
        place = x.shape[1] if place is None else place
        own = tokens.to(x.dtype).expand(len(x), -1, -1)
        return torch.cat([x[:, :place], own, x[:, place:]], dim=1)

    def leave(module: nn.Module, arguments: tuple, x: Tensor) -> Tensor:
        return torch.cat([x[:, :place], x[:, place + count :]], dim=1)

    with contextlib.ExitStack() as stack:
        stack.enter_context(_at_input(way.entry, join))
        for layer, own in enumerate(deep, 1):
            stack.enter_context(
                _at_input(way.blocks[layer], lambda x, own=own: replace_tokens(x, own, place))
            )
        stack.callback(way.blocks[-1].register_forward_hook(leave).remove)
        stack.enter_context(_more_without_position(way.blocks, count))
        _put_beside(stack, way.blocks, beside or {})
        return backbone.encode_image(images)


def _replacing(tokens: Tensor, start: int) -> Change:
    return lambda x: replace_tokens(x, tokens, start)


def _insert(
    stack: contextlib.ExitStack, backbone: Backbone, inserted: Inserted, start: int
) -> None:
    """Tokens behind the start of texts, longer masks for them, and out with them at the end."""
    blocks, end = backbone.text_blocks, start + len(inserted)
    for layer in inserted.layers:
        stack.enter_context(
            _at_input(blocks[layer], lambda x, at=layer: inserted.entered(x, at, start), backbone)
        )
    for block in blocks[inserted.layer :]:
        stack.enter_context(_longer_mask(block, len(inserted)))

    def leave(module: nn.Module, arguments: tuple, x: Tensor) -> Tensor:
        dim = 1 if backbone.batch_first else 0
        rest = x.shape[dim] - end
        return torch.cat([x.narrow(dim, 0, start), x.narrow(dim, end, rest)], dim=dim)

    stack.callback(blocks[-1].register_forward_hook(leave).remove)


@contextlib.contextmanager
def _longer_mask(block: nn.Module, count: int) -> Iterator[None]:
    """A causal mask of a layer's own, as OpenAI's have it, for so many tokens more."""
    mask = getattr(block, "attn_mask", None)
    if mask is None or mask.dim() != 2 or not torch.isinf(mask[0, 1:]).all():
        raise ValueError("inserted tokens need a text encoder whose layers have a causal mask")
    longer = mask.new_full((len(mask) + count,) * 2, -torch.inf).triu(1)
    block.attn_mask = longer
    try:
        yield
    finally:
        block.attn_mask = mask


def _put_beside(
    stack: contextlib.ExitStack, blocks: Sequence[nn.Module], beside: Mapping[int, Beside]
) -> None:
    """What joins the output of layers, which it makes of their input."""
    for layer, part in beside.items():

        def join(block: nn.Module, arguments: tuple, x: Tensor, part: Beside = part) -> Tensor:
            return x + part(first_norm(block)(arguments[0]))

        stack.callback(blocks[layer].register_forward_hook(join).remove)


@contextlib.contextmanager
def _at_input(
    module: nn.Module, change: Change, backbone: Backbone | None = None
) -> Iterator[None]:
    """Changes what goes into a module, whose layout is that of the backbone's text blocks."""
    swapped = backbone is not None and not backbone.batch_first

    def changed(module: nn.Module, arguments: tuple) -> tuple:
        x, *others = arguments
        x = change(x.transpose(0, 1)).transpose(0, 1) if swapped else change(x)
        return (x, *others)

    handle = module.register_forward_pre_hook(changed)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def _more_without_position(blocks: Sequence[nn.Module], count: int) -> Iterator[None]:
    """Rotary embeddings leave out so many tokens more, behind those that they always leave out."""
    attentions = [getattr(block, "attn", None) for block in blocks]
    attentions = [x for x in attentions if hasattr(x, "num_prefix_tokens")]
    for attention in attentions:
        attention.num_prefix_tokens += count
    try:
        yield
    finally:
        for attention in attentions:
            attention.num_prefix_tokens -= count
