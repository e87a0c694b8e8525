"""ProLIP: the last projection of the image encoder is tuned, near where it was.

    L = CE(100 <unit(x P), t_c>, y) + N^-PENALTY_POWER |P - P_0|^2        N shots

x [B, W] is what stands before the projection P [W, E] of the image encoder. Full batches, step s on
view (s + 1) mod VIEWS, Adam with eps 1e-4, a cosine over STEPS. Nothing is chosen by validation.

Paper: CLIP's Visual Embedding Projector is a Few-shot Cornucopia, arXiv:2410.05270. Published code:
astra-vision/ProLIP at b43e795. It tunes ResNets, too, by a matrix of their pooling, which this
project's stored features do not reach: those are refused.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.backbones.installed_clip import VisionTransformer
from promptkit.config import require_range
from promptkit.feature_trainer import FeatureConfig, FittedTrainer
from promptkit.registry import register
from promptkit.stores.feature_store import FeatureStore, default_folder
from promptkit.stores.stored_loader import StoredLoader


@dataclass(frozen=True, kw_only=True)
class ProLIPConfig(FeatureConfig):
    """Options under TRAINER.PROLIP."""

    views: int = 300
    steps: int = 300
    lr: float = 1e-5
    penalty_power: int = 1  # the penalty's weight is N to the power of minus this; 0 is 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("steps", self.steps, 1)
        require_range("lr", self.lr, 0, open_low=True)
        require_range("penalty_power", self.penalty_power, 0)


class Projection(nn.Module):
    """P [W, E]."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.proj = nn.Parameter(start.detach().float().clone())


@register
class ProLIP(FittedTrainer):
    """Tunes the projection of image features; it fits every class list."""

    Config = ProLIPConfig

    def build_adapter(self) -> Projection:
        """Starts at CLIP's.

        Raises:
            ValueError: the image encoder is not OpenAI's vision transformer.
        """
        visual = self.clip_model.visual
        if not isinstance(visual, VisionTransformer):
            raise ValueError(
                "ProLIP tunes the projection matrix of OpenAI's vision transformers, and "
                f"{self.cfg.MODEL.BACKBONE.NAME} is none. Set MODEL.BACKBONE.NAME to ViT-B/16, "
                "another ViT of OpenAI's, Woven or Pocket."
            )
        return Projection(visual.proj)

    def _stored(self, loader):
        """As the base's; what stands before the projection is kept."""
        store, depends_on = FeatureStore(default_folder()), {**self._decided_by(), "states": True}
        return loader and StoredLoader(loader, self._states, store, depends_on)

    def is_bound_to_classes(self) -> bool:
        """No: it moves image features."""
        return False

    @cached_property
    def train_features(self) -> list[Tensor]:
        """States [N, W] of each pass; on the device one at a time."""
        return [self.frozen_states(k).float() for k in range(self.num_views())]

    def feature_logits(self, features: Tensor) -> Tensor:
        """States [B, W] to logits [B, C]."""
        return self.zero_shot_logits(F.normalize(features @ self.learner.proj, dim=-1))

    def fit(self) -> None:
        """Adam on full batches."""
        features, labels = self.train_features, self.labels
        options, proj = self.options, self.learner.proj
        start, shots = proj.detach().clone(), len(labels) / self.num_classes
        optimizer = torch.optim.Adam([proj], lr=options.lr, eps=1e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
        for step in range(1, options.steps + 1):
            logits = self.feature_logits(features[step % len(features)].to(self.device))
            penalty = shots**-options.penalty_power * (proj - start).square().sum()
            loss = F.cross_entropy(logits, labels) + penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % 50 == 0:
                print(f"step [{step}/{options.steps}] loss {loss.item():.4f}")

    def model_inference(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W], or their states [B, W], to logits [B, C]."""
        with torch.no_grad():
            states = self._states(images) if images.dim() == 4 else images.to(self.device)
            return self.feature_logits(states.float())
