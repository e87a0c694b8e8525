"""A vision transformer with learned tokens behind the patches, in each layer its own.

As in the published code of MaPLe, VPT, IVLP and PromptSRC: tokens are appended after the position
embedding and before the first layer norm; before each of the next layers what became of them is
replaced by that layer's own. OpenAI's is taken apart here, others run their own code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from promptkit.backbones.backbone import Backbone
from promptkit.backbones.installed_clip import VisionTransformer
from promptkit.encoders.blocks import attend, finish, keys_values, project, queries, replace_tokens
from promptkit.encoders.own_code import encode_image_with


@dataclass(frozen=True)
class VisionTokens:
    """Learned tokens of the image encoder, of width D.

    Attributes:
        tokens: [M, D] behind the patches.
        deep: [M, D] each, what replaces them before layer 1, 2, ...
    """

    tokens: Tensor
    deep: tuple[Tensor, ...] = ()


def encode_image(model: Backbone, images: Tensor, prompts: VisionTokens | None = None) -> Tensor:
    """Image features [B, E] of images [B, 3, H, W], not normalised.

    Without prompts they equal `model.encode_image`'s, which also finishes the tokens of the last
    layer that nobody reads.
    """
    return project_states(model, image_states(model, images, prompts))


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
    if not isinstance(visual, VisionTransformer):
        if prompts is None:
            return model.encode_image(images)
        return encode_image_with(model, images, prompts.tokens, prompts.deep)
    prompts = prompts or VisionTokens(visual.class_embedding[None][:0])
    patches = visual.conv1(images.to(visual.conv1.weight.dtype)).flatten(2).transpose(1, 2)
    start = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    x = torch.cat([start, patches], dim=1) + visual.positional_embedding.to(patches.dtype)
    place = x.shape[1]
    x = torch.cat([x, prompts.tokens.to(x.dtype).expand(len(x), -1, -1)], dim=1)  # [B, L, D]
    x = visual.ln_pre(x)
    last = len(visual.transformer.resblocks) - 1
    for index, block in enumerate(visual.transformer.resblocks):
        if 0 < index <= len(prompts.deep):
            x = replace_tokens(x, prompts.deep[index - 1], place)
        if index < last:
            attended = attend(*project(block, x))
        else:  # only the class token is read
            key, value = keys_values(block, x)
            x = x[:, :1]
            attended = attend(queries(block, x), key, value)
        x = finish(block, x, attended)
    return visual.ln_post(x[:, 0])
