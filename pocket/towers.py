"""The pocket CLIP: OpenAI's architecture, small, and its two towers as the training needs them."""

import numpy as np
import torch
from clip.model import CLIP
from torch import Tensor

import woven.towers
from pocket.world import IMAGE_SIZE

PATCH = 8
MAX_TOKENS = 20  # longer than any caption; what stands after it would be padding


def new_model() -> CLIP:
    """A random CLIP of pocket size; widths are multiples of 64, as `clip` derives the heads."""
    return CLIP(
        embed_dim=128, image_resolution=IMAGE_SIZE, vision_layers=6, vision_width=192,
        vision_patch_size=PATCH, context_length=77, vocab_size=49408, transformer_width=128,
        transformer_heads=2, transformer_layers=4,
    )  # fmt: skip


def preprocess(pixels: np.ndarray) -> Tensor:
    """uint8 [B, S, S, 3] to CLIP's normalised input [B, 3, S, S]."""
    return woven.towers.preprocess(torch.from_numpy(pixels))


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """`model.encode_text` on the first MAX_TOKENS tokens, [B, L] to [B, E]."""
    x = model.token_embedding(tokens[:, :MAX_TOKENS]) + model.positional_embedding[:MAX_TOKENS]
    x = model.ln_final(model.transformer(x.transpose(0, 1)).transpose(0, 1))
    return x[torch.arange(len(x)), tokens.argmax(dim=-1)] @ model.text_projection
