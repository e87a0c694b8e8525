"""Where learned tokens can join those of an image encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class ImageTokens:
    """The way of the tokens through a transformer.

    Attributes:
        entry: the module that has them, positions included, as its input.
        blocks: its layers.
        width: D, numbers in a token.
        place: learned tokens stand behind so many; None: behind all. Where they stand changes
            nothing but which tokens a rotary embedding takes for patches.
    """

    entry: nn.Module
    blocks: Sequence[nn.Module]
    width: int
    place: int | None = None


def image_tokens(visual: nn.Module) -> ImageTokens | None:
    """Of an image encoder: OpenAI's and open_clip's vision transformers, timm's ViT and EVA."""
    if hasattr(visual, "class_embedding"):
        width = visual.class_embedding.shape[0]
        return ImageTokens(visual.ln_pre, visual.transformer.resblocks, width)
    trunk = getattr(visual, "trunk", None)
    blocks = getattr(trunk, "blocks", None)
    known = {"norm_pre", "num_prefix_tokens", "embed_dim"}
    if not isinstance(blocks, nn.Sequential | nn.ModuleList) or not known <= set(dir(trunk)):
        return None
    if getattr(getattr(blocks[0], "attn", None), "rel_pos", None) is not None:
        return None  # its attention is bound to the number of tokens
    return ImageTokens(trunk.norm_pre, blocks, trunk.embed_dim, trunk.num_prefix_tokens)
