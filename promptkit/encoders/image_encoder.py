"""A vision transformer with learned tokens behind the patches, in each layer its own.

As in the published code of MaPLe, VPT, IVLP and PromptSRC: tokens are appended after the position
embedding and before the first layer norm; before each of the next layers what became of them is
replaced by that layer's own. OpenAI's is taken apart here, others run their own code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from promptkit import ranks
from promptkit.backbones.backbone import Backbone
from promptkit.backbones.installed_clip import VisionTransformer
from promptkit.encoders.blocks import (
    Beside,
    attend,
    finish,
    keys_values,
    project,
    queries,
    replace_tokens,
)
from promptkit.encoders.inserted import Inserted
from promptkit.encoders.own_code import encode_image_with


@dataclass(frozen=True)
class VisionTokens:
    """What is learned inside the image encoder, of width D.

    Attributes:
        tokens: [M, D] behind the patches; None for none.
        deep: [M, D] each, what replaces them before layer 1, 2, ...
        inserted: tokens that come in behind the class token at a layer.
        beside: what joins the output of layers, by their number.
    """

    tokens: Tensor | None = None
    deep: tuple[Tensor, ...] = ()
    inserted: Inserted | None = None
    beside: Mapping[int, Beside] = field(default_factory=dict)


def encode_image(model: Backbone, images: Tensor, prompts: VisionTokens | None = None) -> Tensor:
    """Image features [B, E] of images [B, 3, H, W], not normalised.

    Without prompts they equal `model.encode_image`'s, which also finishes the tokens of the last
    layer that nobody reads. Processes of one run share the images of a step.
    """

    def encoded(rows: slice) -> Tensor:
        return project_states(model, image_states(model, images[rows], prompts))

    return ranks.split(encoded, len(images))


def states_width(model: Backbone) -> int:
    """W, numbers in a state of `image_states`."""
    visual = model.visual
    return visual.proj.shape[0] if isinstance(visual, VisionTransformer) else model.embed_dim


def project_states(model: Backbone, states: Tensor) -> Tensor:
    """States [N, W] of `image_states` to features [N, E], not normalised: the last projection."""
    visual = model.visual
    return states @ visual.proj if isinstance(visual, VisionTransformer) else states


def image_states(model: Backbone, images: Tensor, prompts: VisionTokens | None = None) -> Tensor:
    """What stands before the last projection [B, W], of images [B, 3, H, W].

    Of image encoders that are not OpenAI's vision transformer: the features [B, E] themselves.
    """
    visual = model.visual
    if isinstance(visual, VisionTransformer):
        prompts = prompts or VisionTokens()
        return states_above(model, _first_tokens(visual, images, prompts), 0, prompts)[:, 0]
    if prompts is None:
        return model.encode_image(images)
    if prompts.inserted:
        raise ValueError("inserted tokens of images need OpenAI's vision transformer")
    none = images.new_zeros(0, model.image_tokens.width)
    tokens = none if prompts.tokens is None else prompts.tokens
    return encode_image_with(model, images, tokens, prompts.deep, prompts.beside)


def _first_tokens(visual: nn.Module, images: Tensor, prompts: VisionTokens) -> Tensor:
    """What goes into the first layer [B, L, D]: the class token, patches, learned tokens."""
    patches = visual.conv1(images.to(visual.conv1.weight.dtype)).flatten(2).transpose(1, 2)
    start = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    x = torch.cat([start, patches], dim=1) + visual.positional_embedding.to(patches.dtype)
    if prompts.tokens is not None:
        x = torch.cat([x, prompts.tokens.to(x.dtype).expand(len(x), -1, -1)], dim=1)
    return visual.ln_pre(x)


@torch.no_grad()
def tokens_below(model: Backbone, images: Tensor, layer: int) -> Tensor:
    """What goes into a layer without prompts, [B, L, D], of OpenAI's vision transformer."""

    def encoded(rows: slice) -> Tensor:
        x = _first_tokens(model.visual, images[rows], VisionTokens())
        for block in model.visual.transformer.resblocks[:layer]:
            x = finish(block, x, attend(*project(block, x)))
        return x

    return ranks.split(encoded, len(images))


def states_above(model: Backbone, x: Tensor, layer: int, prompts: VisionTokens) -> Tensor:
    """Behind the last norm, [B, 1 + K, W], of what goes into a layer, [B, L, D].

    The class token, then the K that were inserted. Of OpenAI's vision transformer; behind the
    first layer there are no tokens but those.
    """
    visual, inserted = model.visual, prompts.inserted
    place = len(visual.positional_embedding)  # of the tokens behind the patches
    read = 1 + (len(inserted) if inserted else 0)
    blocks = visual.transformer.resblocks
    for index, block in enumerate(blocks[layer:], layer):
        if 0 < index <= len(prompts.deep):
            x = replace_tokens(x, prompts.deep[index - 1], place)
        if inserted:
            x = inserted.entered(x, index, 1)
        if index < len(blocks) - 1:
            attended = attend(*project(block, x))
        else:  # nothing else is read
            key, value = keys_values(block, x)
            x = x[:, :read]
            attended = attend(queries(block, x), key, value)
        x = finish(block, x, attended, prompts.beside.get(index))
    return visual.ln_post(x)
