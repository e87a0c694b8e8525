"""CLIP's vision transformer with learned tokens behind the patches, in each layer its own.

As in the published code of MaPLe, VPT, IVLP and PromptSRC: tokens are appended after the position
embedding and before the first layer norm; before each of the next layers what became of them is
replaced by that layer's own.
"""

from dataclasses import dataclass

import torch
from clip.model import CLIP, VisionTransformer
from torch import Tensor
from torch.nn import functional as F

from promptkit.blocks import finish, project, replace_tokens


@dataclass(frozen=True)
class VisionPrompts:
    """Learned tokens of the image encoder, of width D.

    Attributes:
        tokens: [M, D] behind the patches.
        deep: [M, D] each, what replaces them before layer 1, 2, ...
    """

    tokens: Tensor
    deep: tuple[Tensor, ...] = ()


def encode_image(model: CLIP, images: Tensor, prompts: VisionPrompts) -> Tensor:
    """Image features [B, E] of images [B, 3, H, W], not normalised."""
    visual = model.visual
    patches = visual.conv1(images.to(model.dtype)).flatten(2).transpose(1, 2)
    start = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    x = torch.cat([start, patches], dim=1) + visual.positional_embedding.to(patches.dtype)
    place = x.shape[1]
    x = torch.cat([x, prompts.tokens.to(x.dtype).expand(len(x), -1, -1)], dim=1)  # [B, L, D]
    x = visual.ln_pre(x)
    last = len(visual.transformer.resblocks) - 1
    for index, block in enumerate(visual.transformer.resblocks):
        if 0 < index <= len(prompts.deep):
            x = replace_tokens(x, prompts.deep[index - 1], place)
        query, key, value = project(block, x)
        if index == last:  # only the class token is read
            x, query = x[:, :1], query[:, :, :1]
        x = finish(block, x, F.scaled_dot_product_attention(query, key, value))
    return visual.ln_post(x[:, 0]) @ visual.proj


def is_transformer(model: CLIP) -> bool:
    """Whether the image encoder has tokens, and not a ResNet's maps."""
    return isinstance(model.visual, VisionTransformer)
