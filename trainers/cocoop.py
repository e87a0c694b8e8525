"""CoCoOp: CoOp whose context is moved by each image.

    v_m(x) = v_m + h(z),   h = Linear(E, E/16) - ReLU - Linear(E/16, D)      L = CE

z is the image feature in unit norm. Every image has its own text features of all classes, which
costs B x C sequences a step: the start of each image's prompts is encoded once for all classes,
and CHUNK bounds how many sequences are alive at a time (with more than one chunk, what is in
between is computed again in the backward pass).

Paper: Conditional Prompt Learning for Vision-Language Models, arXiv:2203.05557. Published code:
KaiyangZhou/CoOp at ff61507, trainers/cocoop.py, which trains with batch size 1 for memory's sake;
the recipes keep it, any other works. Differences: the meta-net is fp32 in every precision; CTX_INIT
counts in tokens, see `promptkit.prompts.initial_context.all_words`.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from promptkit.backbones.backbone import Backbone
from promptkit.config import ContextConfig
from promptkit.encoders.text_encoder import ENCODERS, Prompts
from promptkit.frozen_features import unit
from promptkit.prompts.initial_context import all_words
from promptkit.prompts.sentences import SentenceSlots
from promptkit.registry import register
from promptkit.trainer import PromptTrainer


class ConditionalPrompts(nn.Module):
    """A context and the net that moves it; keys of the state dict are the published ones."""

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, init: str
    ) -> None:
        super().__init__()
        start = all_words(model, num_context, init)
        self.ctx = nn.Parameter(start.vectors)
        width = model.embed_dim
        layers = {
            "linear1": nn.Linear(width, width // 16),
            "relu": nn.ReLU(),
            "linear2": nn.Linear(width // 16, start.vectors.shape[1]),
        }
        self.meta_net = nn.Sequential(OrderedDict(layers))
        self.slots = SentenceSlots(
            model, classnames, template=f"{start.words} {{}}.", num_slots=len(start.vectors)
        )

    def forward(self, image_features: Tensor) -> Prompts:
        """Image features [B, E] in unit norm to prompts with a prefix for each image."""
        bias = self.meta_net(image_features.float())  # [B, D]
        return self.slots(self.ctx + bias[:, None])


@register
class CoCoOp(PromptTrainer):
    """Conditional context optimisation."""

    Config = ContextConfig
    prompts_of_each_image = True

    def build_learner(self, classnames: list[str]) -> ConditionalPrompts:
        """Context and meta-net."""
        options = self.options
        return ConditionalPrompts(
            self.clip_model, classnames, num_context=options.n_ctx, init=options.ctx_init
        )

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy."""
        logits = self.conditional_logits(self.image_features(images))
        return {"loss": F.cross_entropy(logits, labels), "acc": self.accuracy(logits, labels)}

    def model_inference(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] to logits [B, C]; nothing can be kept from one image to the next."""
        with torch.no_grad(), self.precision.autocast():
            return self.conditional_logits(self.image_features(images))

    def conditional_logits(self, image_features: Tensor) -> Tensor:
        """Logits [B, C] of image features [B, E], CHUNK sequences at a time."""
        prompts = self.learner(image_features)
        num_classes = len(prompts.suffix)
        images = torch.arange(len(image_features)).split(max(1, self.options.chunk // num_classes))
        classes = torch.arange(num_classes).split(self.options.chunk)
        parts = [prompts.of_classes(rows) if len(classes) > 1 else prompts for rows in classes]
        keep = len(images) * len(classes) == 1 or not torch.is_grad_enabled()
        encode = ENCODERS[self.options.text_encoder]

        def piece(rows: Tensor, part: Prompts) -> Tensor:
            arguments = encode, image_features[rows], prompts.prefix[rows], part
            if keep:
                return self._logits_of(*arguments)
            return checkpoint(self._logits_of, *arguments, use_reentrant=False)

        return torch.cat([torch.cat([piece(i, p) for p in parts], dim=1) for i in images])

    def _logits_of(
        self, encode: Callable, image_features: Tensor, prefix: Tensor, prompts: Prompts
    ) -> Tensor:
        own = Prompts(prefix, prompts.suffix, prompts.tree)
        text_features = encode(self.clip_model, own)
        return self.logits(image_features, unit(text_features))  # [B, C]
