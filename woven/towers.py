"""The CLIP of this bench: OpenAI's architecture, small; its two towers as trainings need them."""

import torch
from clip.model import CLIP
from torch import Tensor, nn

from woven.pictures import CODE, IMAGE_SIZE

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])  # CLIP's own
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])
PATCH = 8
LOGIT_SCALE = 100.0  # CLIP's after its training
TOKEN_NORM = 0.4  # mean norm of a token embedding, as OpenAI's: it sets the size of a step


def new_model(text_width: int = 128, text_layers: int = 4) -> CLIP:
    """A random CLIP; widths are multiples of 64, as `clip` derives the heads."""
    return CLIP(
        embed_dim=CODE, image_resolution=IMAGE_SIZE, vision_layers=4, vision_width=128,
        vision_patch_size=PATCH, context_length=77, vocab_size=49408, transformer_width=text_width,
        transformer_heads=text_width // 64, transformer_layers=text_layers,
    )  # fmt: skip


def preprocess(pixels: Tensor) -> Tensor:
    """uint8 [B, S, S, 3] to CLIP's normalised input [B, 3, S, S]."""
    return ((pixels.float() / 255 - MEAN) / STD).permute(0, 3, 1, 2)


def tower_tokens(visual: nn.Module, images: Tensor) -> Tensor:
    """The image tower without its last projection: [B, 3, S, S] to tokens [B, 1 + P, width]."""
    x = visual.conv1(images).flatten(2).transpose(1, 2)
    class_token = visual.class_embedding.expand(len(x), 1, -1)
    x = visual.ln_pre(torch.cat([class_token, x], dim=1) + visual.positional_embedding)
    return visual.ln_post(visual.transformer(x.transpose(0, 1)).transpose(0, 1))


def encode_image(visual: nn.Module, images: Tensor) -> Tensor:
    """The image tower: [B, 3, S, S] to [B, E]."""
    return tower_tokens(visual, images)[:, 0] @ visual.proj


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """`model.encode_text` of [B, L], L as short as the longest caption allows; to [B, E].

    Attention is causal: what stands behind the end of text is irrelevant, and is cut off.
    """
    length = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = x.transpose(0, 1)
    for block in model.transformer.resblocks:
        mask, block.attn_mask = block.attn_mask, block.attn_mask[:length, :length]
        x = block(x)
        block.attn_mask = mask
    x = model.ln_final(x.transpose(0, 1))
    return x[torch.arange(len(x)), tokens.argmax(dim=-1)] @ model.text_projection


@torch.no_grad()
def set_token_norm(model: CLIP, norm: float = TOKEN_NORM) -> None:
    """Scales the text tower's residual stream so that token embeddings have this mean norm.

    Everything that is added to the stream is scaled alike, and whatever reads it normalises it
    first: the features stay what they were, up to the epsilon of the layer norms.
    """
    scale = norm / model.token_embedding.weight.norm(dim=1).mean()
    model.token_embedding.weight.mul_(scale)
    model.positional_embedding.mul_(scale)
    for block in model.transformer.resblocks:
        for last in (block.attn.out_proj, block.mlp.c_proj):
            last.weight.mul_(scale)
            last.bias.mul_(scale)
