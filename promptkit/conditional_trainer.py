"""The base of methods whose prompts follow each image: CoCoOp's step and logits."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from promptkit import ranks
from promptkit.encoders.text_encoder import ENCODERS, Prompts
from promptkit.frozen_features import unit
from promptkit.trainer import PromptTrainer


class ConditionalTrainer(PromptTrainer):
    """Its learner is called with image features [B, E] in unit norm for B x C prompts."""

    prompts_of_each_image = True

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy."""
        logits = self.conditional_logits(self.image_features(images))
        return {"loss": F.cross_entropy(logits, labels), "acc": self.accuracy(logits, labels)}

    def model_inference(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] to logits [B, C]; nothing can be kept from one image to the next."""
        with torch.no_grad(), self.precision.autocast():
            return self.conditional_logits(self.image_features(images))

    def conditional_logits(self, image_features: Tensor) -> Tensor:
        """Logits [B, C] of image features [B, E]; processes of one run share the classes."""
        prompts = self.learner(image_features)

        def of_classes(rows: slice) -> Tensor:
            return self._logits_in_chunks(image_features, prompts.of_classes(rows)).T

        return ranks.split(of_classes, len(prompts.suffix)).T

    def _logits_in_chunks(self, image_features: Tensor, prompts: Prompts) -> Tensor:
        """Logits [B, C], CHUNK sequences at a time."""
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
