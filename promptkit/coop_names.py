"""CoOp's building blocks under their published names and signatures, for files of its descendants.

Trainer files written on top of CoOp's code import these from `trainers.coop`. Nothing here uses
them. They behave as published, but that CLIP is fp32, and the learned context with it (a CPU can
run it), and that CTX_INIT counts in tokens, see `promptkit.prompts.initial_context.all_words`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from yacs.config import CfgNode

from promptkit.backbones.backbone import AUTO
from promptkit.backbones.loading import load_clip
from promptkit.backbones.openai_clip import CLIP, OpenAIBackbone
from promptkit.backbones.tokens import CLIP_TOKENIZER, readable
from promptkit.prompts.context import ContextPrompts
from promptkit.prompts.sentences import embed


def load_clip_to_cpu(cfg: CfgNode) -> CLIP:
    """The CLIP of MODEL.BACKBONE, all of it trainable, as the published code leaves it."""
    backbone = cfg.MODEL.BACKBONE
    return load_clip(backbone.NAME, backbone.get("ACTIVATION", AUTO)).requires_grad_(True)


class TextEncoder(nn.Module):
    """CLIP's text encoder on embedded prompts."""

    def __init__(self, clip_model: CLIP) -> None:
        super().__init__()
        self.transformer = clip_model.transformer
        self.positional_embedding = clip_model.positional_embedding
        self.ln_final = clip_model.ln_final
        self.text_projection = clip_model.text_projection
        self.dtype = clip_model.dtype

    def forward(self, prompts: Tensor, tokenized_prompts: Tensor) -> Tensor:
        """Prompts [C, 77, D] and their token ids [C, 77] to features [C, E], not normalised."""
        x = prompts.type(self.dtype) + self.positional_embedding.type(self.dtype)
        x = self.ln_final(self.transformer(x.transpose(0, 1)).transpose(0, 1)).type(self.dtype)
        ends = tokenized_prompts.argmax(dim=-1).to(x.device)
        return x[torch.arange(len(x), device=x.device), ends] @ self.text_projection


class PromptLearner(ContextPrompts):
    """CoOp's context with the options of TRAINER.COOP.

    Attributes:
        ctx: [M, D], or [C, M, D] when class-specific.
        token_prefix, token_suffix: embeddings [C, 1, D] before and [C, 76 - M, D] behind it.
        tokenized_prompts: token ids [C, 77], with "X" in the context's places.
        n_cls, n_ctx, name_lens: C, M, and the tokens of each name.
        class_token_position: end, middle or front.
    """

    def __init__(self, cfg: CfgNode, classnames: list[str], clip_model: CLIP) -> None:
        options = cfg.TRAINER.COOP
        backbone = OpenAIBackbone(clip_model)
        super().__init__(
            backbone,
            classnames,
            num_context=options.N_CTX,
            init=options.CTX_INIT,
            class_specific=options.CSC,
            position=options.CLASS_TOKEN_POSITION,
        )
        names = [readable(name) for name in classnames]
        sentences = [f"{self.initial_words} {name}." for name in names]
        self.tokenized_prompts = CLIP_TOKENIZER(sentences, classnames=classnames)
        self.n_cls, self.n_ctx = len(names), self.num_context
        self.name_lens = [CLIP_TOKENIZER.count(name) for name in names]
        self.class_token_position = self.position
        embedded = embed(backbone, self.tokenized_prompts).type(clip_model.dtype)
        self.register_buffer("token_prefix", embedded[:, :1])
        self.register_buffer("token_suffix", embedded[:, 1 + self.n_ctx :])

    def forward(self) -> Tensor:
        """The prompts [C, 77, D]; what stands behind the end of text reaches no feature."""
        prompts = super().forward()
        prefix = prompts.prefix.expand(self.n_cls, -1, -1)
        length = CLIP_TOKENIZER.context_length
        whole = torch.cat([prefix, prompts.suffix], dim=1)[:, :length]
        return F.pad(whole, (0, 0, 0, length - whole.shape[1]))


class CustomCLIP(nn.Module):
    """CLIP with a `prompt_learner`: images [B, 3, H, W] to logits [B, C]."""

    def __init__(self, cfg: CfgNode, classnames: list[str], clip_model: CLIP) -> None:
        super().__init__()
        self.prompt_learner = PromptLearner(cfg, classnames, clip_model)
        self.tokenized_prompts = self.prompt_learner.tokenized_prompts
        self.image_encoder = clip_model.visual
        self.text_encoder = TextEncoder(clip_model)
        self.logit_scale = clip_model.logit_scale
        self.dtype = clip_model.dtype

    def forward(self, image: Tensor) -> Tensor:
        """The logits, cosine over temperature."""
        images = self.image_encoder(image.type(self.dtype))
        texts = self.text_encoder(self.prompt_learner(), self.tokenized_prompts)
        return self.logit_scale.exp() * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).t()
