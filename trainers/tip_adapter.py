"""Tip-Adapter and Tip-Adapter-F: a cache of training images beside CLIP's classifier.

    logits = 100 z T^t + ALPHA exp(-BETA (1 - z K^t)) Y

K [N, E] are keys, the unit means of each training image's features over VIEWS augmented passes; Y
their one-hot labels. `TipAdapter` trains nothing; `TipAdapterF` trains the keys, from there, with
the constants it starts from. Then both choose ALPHA and BETA by validation accuracy on the
published grid of 200 x 20 (SEARCH), or keep ALPHA and BETA.

Paper: Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification, arXiv:2207.09519.
Published code: gaopengcuhk/Tip-Adapter at d0e2d6f. Differences: the validation images are the
few-shot ones, where the published code takes all of the data set's, and for ImageNet the test
images; TipAdapterF keeps its last epoch, where the published code keeps that which is best on the
test images and prints the better of two test accuracies. There is no key for either.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.config import require, require_range
from promptkit.feature_trainer import FeatureConfig, FeatureTrainer, FittedTrainer, RowLoader
from promptkit.prompts.templates import benchmark_name
from promptkit.registry import register

# By data set: ALPHA to start from, and where the grids of BETA and ALPHA end. For others DTD's.
PUBLISHED = {
    "ImageNet": (1.17, 7, 3),
    "Caltech101": (3, 12, 5),
    "OxfordPets": (1.17, 7, 3),
    "StanfordCars": (3, 20, 10),
    "OxfordFlowers": (10, 50, 50),
    "Food101": (1.17, 10, 10),
    "FGVCAircraft": (5, 30, 30),
    "SUN397": (1.17, 12, 10),
    "DescribableTextures": (2, 13, 13),
    "EuroSAT": (2, 12, 10),
    "UCF101": (3, 7, 3),
}
STEPS = 200, 20  # of the grids of BETA and ALPHA


@dataclass(frozen=True, kw_only=True)
class TipAdapterConfig(FeatureConfig):
    """Options under TRAINER.TIPADAPTER."""

    alpha: float = 0.0  # to start from; 0: the published one of the data set
    beta: float = 1.0
    search: str = "auto"  # auto: where there are validation images | on | off

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("alpha", self.alpha, 0)
        require_range("beta", self.beta, 0, open_low=True)
        require("search", self.search, ("auto", "on", "off"))


@dataclass(frozen=True, kw_only=True)
class TipAdapterFConfig(TipAdapterConfig):
    """Options under TRAINER.TIPADAPTERF."""


class Cache(nn.Module):
    """Keys [N, E] with labels [N], and the two constants."""

    def __init__(self, count: int, width: int, *, trains: bool) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.zeros(count, width), requires_grad=trains)
        self.register_buffer("labels", torch.zeros(count, dtype=torch.long))
        self.register_buffer("alpha", torch.zeros((), dtype=torch.float64))
        self.register_buffer("beta", torch.zeros((), dtype=torch.float64))


def cache_logits(similarity: Tensor, beta: Tensor | float, values: Tensor) -> Tensor:
    """[B, C] of similarities [B, N] to keys with one-hot labels [N, C]."""
    return torch.exp(-beta * (1 - similarity)) @ values


class _Cached(FeatureTrainer):
    """What both have."""

    sized_by_data = ("keys", "labels")
    constants = ("alpha", "beta")
    trains_keys = False

    def build_adapter(self) -> Cache:
        """An empty cache of as many keys as there are training images."""
        count = len(getattr(self.dm.dataset, "train_x", None) or [])
        return Cache(count, self.clip_model.embed_dim, trains=self.trains_keys)

    def prepare(self) -> None:
        """Fills the cache."""
        raw = [self.raw_view(k).float() for k in range(self.options.views)]
        keys = F.normalize(torch.stack(raw).mean(0), dim=-1).to(self.device)
        published, _, _ = self.published()
        with torch.no_grad():
            self.learner.keys.copy_(keys)
            self.learner.labels.copy_(self.labels)
            self.learner.alpha.fill_(self.options.alpha or published)
            self.learner.beta.fill_(self.options.beta)

    def published(self) -> tuple[float, float, float]:
        """ALPHA and the ends of the grids, of the data set."""
        name = benchmark_name(self.dm.dataset)
        return PUBLISHED.get(name, PUBLISHED["DescribableTextures"])

    def values(self) -> Tensor:
        """One-hot labels [N, C]."""
        return F.one_hot(self.learner.labels, self.num_classes).float()

    def feature_logits(self, features: Tensor) -> Tensor:
        """Unit features [B, E] to logits [B, C]."""
        learner = self.learner
        cached = cache_logits(features @ learner.keys.T, learner.beta, self.values())
        return self.zero_shot_logits(features) + learner.alpha * cached

    def choose(self) -> None:
        """ALPHA and BETA by validation, or as they are."""
        learner, options = self.learner, self.options
        candidates = [(learner.beta.item(), learner.alpha.item())]
        if options.search == "on" or (options.search == "auto" and self.has_validation()):
            ends = self.published()[1:]
            grids = [
                [0.1 + i * (end - 0.1) / steps for i in range(steps)]
                for end, steps in zip(ends, STEPS, strict=True)
            ]
            candidates = [(beta, alpha) for beta in grids[0] for alpha in grids[1]]
        known: dict[str, Tensor] = {}

        def logits_of(candidate: tuple[float, float], features: Tensor) -> Tensor:
            if "similarity" not in known:
                known["similarity"] = features @ learner.keys.T
                known["own"] = self.zero_shot_logits(features)
            if known.get("beta") != candidate[0]:  # the same for all of ALPHA's
                known["beta"] = candidate[0]
                known["cached"] = cache_logits(known["similarity"], candidate[0], self.values())
            return known["own"] + candidate[1] * known["cached"]

        beta, alpha = self.best_on_validation(candidates, logits_of)
        learner.alpha.fill_(alpha)
        learner.beta.fill_(beta)


@register
class TipAdapter(_Cached, FittedTrainer):
    """The cache as it is."""

    Config = TipAdapterConfig

    def fit(self) -> None:
        """Chooses the constants."""
        self.choose()


@register
class TipAdapterF(_Cached):
    """The cache with trained keys: AdamW with eps 1e-4, a cosine over all steps."""

    Config = TipAdapterFConfig
    trains_keys = True
    schedules_steps = True

    def check_cfg(self, cfg) -> None:
        """As the base's; the optimiser is the published one, but for OPTIM.LR and MAX_EPOCH."""
        super().check_cfg(cfg)
        if cfg.OPTIM.NAME != "adamw":
            raise ValueError(f"OPTIM.NAME must be adamw with TipAdapterF; got {cfg.OPTIM.NAME!r}.")

    def num_batches_of(self) -> int:
        """Of an epoch; the last one may be smaller."""
        count = max(1, len(self.learner.keys))
        return math.ceil(count / self.cfg.DATALOADER.TRAIN_X.BATCH_SIZE)

    def build_optimizer(self):
        """AdamW as published, its rate by step."""
        options = self.cfg.OPTIM
        optim = torch.optim.AdamW(
            [self.learner.keys], lr=options.LR, eps=1e-4, weight_decay=options.WEIGHT_DECAY
        )
        steps = options.MAX_EPOCH * self.num_batches_of()
        return optim, torch.optim.lr_scheduler.CosineAnnealingLR(optim, steps)

    def num_views(self) -> int:
        """VIEWS for the keys, and one of each epoch, which are others."""
        return self.options.views + self.max_epoch

    def row_loader(self) -> RowLoader:
        """All images, each epoch's views."""

        def rows(epoch: int) -> tuple[Tensor, Tensor]:
            view = self.frozen_view(self.options.views + epoch)
            return view.float().to(self.device), self.labels

        return RowLoader(
            rows,
            batch_size=self.cfg.DATALOADER.TRAIN_X.BATCH_SIZE,
            num_batches=self.num_batches_of(),
            seed=max(self.cfg.SEED, 0),
        )

    def after_epoch(self) -> None:
        """After the last one the constants are chosen."""
        if self.epoch + 1 == self.max_epoch:
            self.choose()
        super().after_epoch()
