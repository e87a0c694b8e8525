"""The base of methods that train on frozen image features and tune no prompt.

They see K augmented passes over the training images, encoded once (`promptkit.stores`), and the
hand-crafted text features of the classes. What they train is fp32 in every precision. Where the
published codes of this family write 100, it is the model's own logit scale, OpenAI's 100.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dassl.optim import build_lr_scheduler, build_optimizer
from promptkit.config import PromptConfig, require_range
from promptkit.encoders.image_encoder import project_states
from promptkit.prompts.templates import (
    IMAGENET_TEMPLATES_SELECT,
    benchmark_name,
    dataset_template,
)
from promptkit.trainer import PromptTrainer


@dataclass(frozen=True, kw_only=True)
class FeatureConfig(PromptConfig):
    """What every trainer on features takes."""

    views: int = 10  # K, augmented passes over the training images

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("views", self.views, 1)


class RowLoader:
    """Batches of rows of features, in a random order of the epoch's own.

    Args:
        rows: of an epoch, features [M, E] and labels [M].
        batch_size: B.
        num_batches: of an epoch; rows that are left over wait for another order.
        seed: of the run.
    """

    def __init__(
        self,
        rows: Callable[[int], tuple[Tensor, Tensor]],
        *,
        batch_size: int,
        num_batches: int,
        seed: int,
    ) -> None:
        self.rows, self.batch_size, self.num_batches, self.seed = (
            rows,
            batch_size,
            num_batches,
            seed,
        )
        self.sampler, self.epoch = self, 0  # an engine tells a loader's sampler the epoch

    def set_epoch(self, epoch: int) -> None:
        """The next pass is this epoch's."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        features, labels = self.rows(self.epoch)
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + self.epoch)
        order = torch.randperm(len(labels), generator=generator).to(labels.device)
        for chosen in order.split(self.batch_size)[: self.num_batches]:
            yield {"img": features[chosen], "label": labels[chosen]}


class FeatureTrainer(PromptTrainer):
    """Trains a classifier of frozen features.

    Attributes:
        hand_crafted: text features [C, E] in unit norm.
        constants: numbers of the learner that the run chose by validation, or was given.
    """

    Config: type[FeatureConfig] = FeatureConfig
    learner_name = "adapter"
    takes_initial_weights = False
    constants: tuple[str, ...] = ()

    # What a method defines ------------------------------------------------------------------------

    def build_adapter(self) -> nn.Module:
        """The module that holds what is trained."""
        raise NotImplementedError

    def feature_logits(self, features: Tensor) -> Tensor:
        """Unit features [B, E] to logits [B, C]."""
        raise NotImplementedError

    def prepare(self) -> None:
        """What is computed of the training features before the first epoch; not when resumed."""

    # ----------------------------------------------------------------------------------------------

    def check_cfg(self, cfg) -> None:
        """As the base's; the number of views is an option of its own."""
        super().check_cfg(cfg)
        if cfg.FEATURES.VIEWS:
            name = type(self).__name__
            raise ValueError(
                f"FEATURES.VIEWS must be 0 with {name}, whose key is TRAINER.{name.upper()}.VIEWS; "
                f"got {cfg.FEATURES.VIEWS}."
            )

    @property
    def chosen(self) -> dict[str, float]:
        """The constants, for the run's result."""
        return {name: getattr(self.learner, name).item() for name in self.constants}

    def templates(self) -> tuple[str, ...]:
        """The sentences whose features are averaged: the data set's; for ImageNet the seven."""
        own = dataset_template(self.dm.dataset, self.cfg.DATASET.TEMPLATE)
        is_imagenet = benchmark_name(self.dm.dataset) == "ImageNet"
        return (
            IMAGENET_TEMPLATES_SELECT if is_imagenet and not self.cfg.DATASET.TEMPLATE else (own,)
        )

    def build_model(self) -> None:
        """Frozen CLIP, hand-crafted features, and the adapter."""
        self.load_frozen_clip()
        classnames, templates = self.dm.dataset.classnames, self.templates()
        self.hand_crafted = self.hand_crafted_features(classnames, templates).float()
        self.learner = self.model = self.build_adapter().to(self.device)
        self.optim, self.sched = self.build_optimizer()
        self.register_model(self.learner_name, self.learner, self.optim, self.sched)

    def build_optimizer(self):
        """The optimiser and its schedule; None, None where there is none."""
        if not self.has_optimizer:
            return None, None
        optim = build_optimizer(self.learner, self.cfg.OPTIM)
        return optim, build_lr_scheduler(optim, self.cfg.OPTIM)

    def is_bound_to_classes(self) -> bool:
        """Yes: there are weights of each class."""
        return True

    def num_views(self) -> int:
        """K."""
        return self.options.views

    def before_train(self) -> None:
        """As the base's; then batches are of features."""
        super().before_train()
        self.__dict__.pop("train_features", None)  # of an earlier training
        self.labels = self.train_labels().to(self.device)
        if self.start_epoch == 0:
            self.prepare()
        if self.has_optimizer:
            self.train_loader_x = self.row_loader()

    def before_epoch(self) -> None:
        """As the base's; the rows' order is the epoch's, also where an engine does not tell."""
        super().before_epoch()
        if isinstance(self.train_loader_x, RowLoader):
            self.train_loader_x.set_epoch(self.epoch)

    @cached_property
    def train_features(self) -> Tensor:
        """Unit features [K, N, E] of all passes."""
        views = [self.frozen_view(k).float() for k in range(self.num_views())]
        return torch.stack(views).to(self.device)

    def raw_view(self, number: int) -> Tensor:
        """As `frozen_view`, not normalised."""
        with torch.no_grad(), self.precision.autocast():
            states = self.frozen_states(number).to(self.device)
            return project_states(self.clip_model, states)

    def row_loader(self) -> RowLoader:
        """As many rows of all passes an epoch as there are images."""
        size = self.cfg.DATALOADER.TRAIN_X.BATCH_SIZE
        rows = self.train_features.flatten(0, 1), self.labels.repeat(self.num_views())
        return RowLoader(
            lambda epoch: rows,
            batch_size=size,
            num_batches=max(1, len(self.labels) // size),
            seed=max(self.cfg.SEED, 0),
        )

    def zero_shot_logits(self, features: Tensor) -> Tensor:
        """Unit features [B, E] to CLIP's own logits [B, C]."""
        return self.logit_scale * features @ self.hand_crafted.T

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of features [B, E]."""
        with torch.autocast(self.device.type, enabled=False):
            logits = self.feature_logits(images.float())
        return {"loss": F.cross_entropy(logits, labels), "acc": self.accuracy(logits, labels)}

    def validation_features(self) -> tuple[Tensor, Tensor] | None:
        """Unit features [V, E] and labels [V] of the validation images; None without own ones."""
        if not self.has_validation():
            return None
        parts = [
            (self._encode(batch["img"]).float(), batch["label"].to(self.device))
            for batch in self.val_loader
        ]
        features, labels = zip(*parts, strict=True)
        return torch.cat(features), torch.cat(labels)

    def best_on_validation(self, candidates: list, logits_of: Callable) -> tuple | float:
        """The candidate with the best validation accuracy, the first of equals.

        Args:
            candidates: constants.
            logits_of: candidate and features [V, E] to logits [V, C].

        Raises:
            ValueError: there are several, and no validation images.
        """
        if len(candidates) == 1:
            return candidates[0]
        found = self.validation_features()
        if found is None:
            raise ValueError(
                f"{type(self).__name__} chooses constants by the validation images, and the data "
                f"set has none. Fix them, under TRAINER.{type(self).__name__.upper()}."
            )
        features, labels = found
        with torch.no_grad():
            hits = [
                int((logits_of(candidate, features).argmax(1) == labels).sum())
                for candidate in candidates
            ]
        print(
            f"Best of {len(candidates)} candidates on {len(labels)} validation images: "
            f"{candidates[hits.index(max(hits))]}, {100 * max(hits) / len(labels):.2f} %"
        )
        return candidates[hits.index(max(hits))]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits [B, C] to probabilities [B, C]."""
        return logits.softmax(dim=1)

    def model_inference(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W], or their features [B, E], to logits [B, C]."""
        with torch.no_grad():
            return self.feature_logits(self._encode(images).float())


def require_every_class(trainer: FeatureTrainer, least: int = 1) -> None:
    """Raises ValueError unless each class has `least` rows of training features or more."""
    counts = torch.bincount(trainer.labels, minlength=trainer.num_classes) * trainer.num_views()
    few = [name for name, n in zip(trainer.dm.dataset.classnames, counts, strict=True) if n < least]
    if few:
        raise ValueError(
            f"{type(trainer).__name__} needs {least} or more training features of each class, one "
            f"for each image and view; {len(few)} of {trainer.num_classes} classes have fewer: "
            f"{', '.join(few[:5])}{', ...' if len(few) > 5 else ''}. Raise DATASET.NUM_SHOTS or "
            f"TRAINER.{type(trainer).__name__.upper()}.VIEWS."
        )


def require_one_epoch(cfg, name: str) -> None:
    """Raises ValueError unless OPTIM.MAX_EPOCH is 1: what is fitted at once has no others."""
    if cfg.OPTIM.MAX_EPOCH != 1:
        raise ValueError(
            f"OPTIM.MAX_EPOCH must be 1, {name} is fitted at once; got {cfg.OPTIM.MAX_EPOCH}."
        )


class FittedTrainer(FeatureTrainer):
    """Is fitted at once: its training is one epoch of the engine's, without its optimiser."""

    has_optimizer = False

    def fit(self) -> None:
        """Fits the learner to `train_features` [K, N, E] with `labels` [N]."""
        raise NotImplementedError

    def check_cfg(self, cfg) -> None:
        """As the base's; the fit is one epoch."""
        super().check_cfg(cfg)
        require_one_epoch(cfg, type(self).__name__)

    def run_epoch(self) -> None:
        """The fit."""
        self.fit()


class Tensors(nn.Module):
    """Tensors that are computed, not trained, as buffers of a state dict."""

    def __init__(self, **tensors: Tensor) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def _load_from_state_dict(self, state_dict, prefix, *rest) -> None:
        for name, own in self.named_buffers(recurse=False):  # as large as what is loaded
            found = state_dict.get(prefix + name)
            if found is not None and found.shape != own.shape:
                own.data = torch.empty_like(found, device=own.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)
