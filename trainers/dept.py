"""DePT: beside a prompt method's similarities, a linear head in a feature space of its own.

    L = L_base + WEIGHT (CE(H(F), [y; y]) - CE_base)      F = [a_t t_y + b_t ; a_v z + b_v]

L_base is the loss of the method BASE, whose cross-entropy CE_base so counts with 1 - WEIGHT, and
what it adds to that in full. z [B, E] and t [C, E] are its features, as long as the encoders make
them; a, b [E] move their channels, H is linear, E -> C. Classes of the training are predicted by
(1 - WEIGHT) similarity + WEIGHT H(a_v z + b_v), others by similarity alone: that is a task oracle.
With the names of all classes at once (`reports joint`), all are predicted by similarity.

Paper: DePT: Decoupled Prompt Tuning, arXiv:2309.07439. Published code: Koorye/DePT at d4ff416,
trainers/elp_*.py, which has BASE CoOp, KgCoOp, MaPLe and CoCoOp; the paper's table has PromptSRC,
too. What later papers call DePT is KgCoOp's. Differences: everything learned is fp32, head and
channels are a model of their own in a run's folder, and their learning rate is LR_FACTOR x OPTIM.LR
(there by Dassl's staged rates).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dassl.optim import build_lr_scheduler, build_optimizer
from promptkit.checkpoints.loading import load_learner
from promptkit.config import PromptConfig, require, require_range
from promptkit.frozen_features import unit
from promptkit.over_another import OverAnother
from promptkit.registry import register
from promptkit.trainer import PromptTrainer

BASES = ("KgCoOp", "CoOp", "MaPLe", "PromptSRC", "E2MIM")
HEAD = "decoupled_head"


@dataclass(frozen=True, kw_only=True)
class DePTConfig(PromptConfig):
    """Options under TRAINER.DEPT; those of BASE stand under its own name."""

    base: str = "KgCoOp"  # KgCoOp | CoOp | MaPLe | PromptSRC | E2MIM
    weight: float = 0.7  # of the head
    lr_factor: float = 6.5  # learning rate of head and channels, in that of the prompts

    def __post_init__(self) -> None:
        super().__post_init__()
        require("base", self.base, BASES)
        require_range("weight", self.weight, 0, 1)
        require_range("lr_factor", self.lr_factor, 0, open_low=True)


class Channels(nn.Module):
    """a x + b for features [N, E], channel by channel; nothing at its start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, features: Tensor) -> Tensor:
        """[N, E] to [N, E]."""
        return self.scale * features + self.bias


class DecoupledHead(nn.Module):
    """Channels of both kinds of features, and the classifier of both."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.of_images, self.of_text = Channels(width), Channels(width)
        self.classifier = nn.Linear(width, count)

    def forward(self, images: Tensor, text: Tensor | None = None) -> Tensor:
        """Logits [B, C] of image features [B, E]; with text features before them [N + B, C]."""
        features = self.of_images(images.float())
        if text is not None:
            features = torch.cat([self.of_text(text.float()), features])
        return self.classifier(features)


@register
class DePT(OverAnother, PromptTrainer):
    """Decoupled prompt tuning over another method."""

    Config = DePTConfig
    other_option, others, terms_name = "BASE", {name: name for name in BASES}, "decoupling"
    uses_task_oracle = True
    known: tuple[str, ...] = ()  # classes of the head
    rows: list[int] | None = None  # of the head, one for each class at hand; None: it is not used

    @property
    def keeps_length(self) -> bool:
        """Stored features are as long as the encoder's."""
        return self.has_frozen_images

    def build_model(self) -> None:
        """The base's; and the head, with its own optimiser."""
        super().build_model()
        self.head = DecoupledHead(self.clip_model.embed_dim, self.num_classes).to(self.device)
        rate = self.decoupling.lr_factor * self.cfg.OPTIM.LR
        groups = [{"params": list(self.head.parameters()), "lr": rate}]
        optimizer = build_optimizer(self.head, self.cfg.OPTIM, param_groups=groups)
        scheduler = build_lr_scheduler(optimizer, self.cfg.OPTIM)
        self.register_model(HEAD, self.head, optimizer, scheduler)

    def before_train(self) -> None:
        """As the base's; the head is of the classes at hand."""
        super().before_train()
        self._know(self.dm.dataset.classnames)

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """As the base's; with the head where it knows all classes at hand, by name.

        A checkpoint that does not say its classes is taken for one of those at hand, unless these
        are the new half; a line says so.
        """
        super().load_model(directory, epoch)
        if not directory:
            return
        trained = self.trained_on.classnames
        if not trained:
            is_new = self.cfg.DATASET.SUBSAMPLE_CLASSES == "new"
            trained = () if is_new else tuple(self.dm.dataset.classnames)
            print(
                "The checkpoint does not say its classes: these are classified "
                f"{'without' if is_new else 'with'} the head (SUBSAMPLE_CLASSES new is without)"
            )
        self._know(trained)
        if self.rows is not None:
            load_learner(
                self.head, HEAD, directory, epoch, trainer=type(self).__name__,
                clip_model=self.clip_model, weights_sha256=self.weights_sha256,
            )  # fmt: skip

    def take_from(self, other: "DePT") -> None:
        """Copies what another has learned, with its head where that knows all classes at hand."""
        super().take_from(other)
        self._know(other.known)
        if self.rows is not None:
            self.head.load_state_dict(other.head.state_dict())

    def _know(self, classnames: Iterable[str]) -> None:
        """Makes the head one of these classes, and finds the row of each class at hand in it."""
        self.known, names = tuple(classnames), self.dm.dataset.classnames
        self.rows = None
        if set(names) <= set(self.known):
            self.rows = [self.known.index(name) for name in names]
            if len(self.known) != self.head.classifier.out_features:
                width = self.clip_model.embed_dim
                self.head = DecoupledHead(width, len(self.known)).to(self.device)
                self._models[HEAD] = self.head

    def encoded(self, images: Tensor) -> Tensor:
        """Image features [B, E] as long as the encoder makes them; loaders may give these."""
        return images if images.dim() == 2 else self.encoded_images(images)

    def image_features(self, images: Tensor) -> Tensor:
        """The same in unit norm."""
        return unit(self.encoded(images))

    def _encode(self, images: Tensor) -> Tensor:
        with self.precision.autocast():
            return self.encoded(images.to(self.device, non_blocking=True))

    def loss(self, images: Tensor, labels: Tensor, *drawn: object) -> dict[str, Tensor]:
        """The base's loss, whose cross-entropy gives way to the head's by WEIGHT."""
        image, text = self.encoded(images), self.encoded_text()
        drawn = drawn or self.drawn(labels)
        parts = self.loss_of(unit(image), unit(text), images, labels, *drawn)
        ce = parts.get("ce", parts["loss"])  # of a base that has nothing else
        with torch.autocast(self.device.type, enabled=False):
            head = F.cross_entropy(self.head(image, text[labels]), labels.repeat(2))
        loss = parts["loss"] + self.decoupling.weight * (head - ce)
        return parts | {"loss": loss, "ce": ce, "head": head}

    def model_inference(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W], or features [B, E], to logits [B, C], by the head too if it can."""
        with torch.no_grad(), self.precision.autocast():
            image = self.encoded(images)
            logits = self.logits(unit(image), self.kept_class_features())
        if self.rows is None:
            return logits
        with torch.no_grad():
            head = self.head(image)[:, self.rows]
        return (1 - self.decoupling.weight) * logits + self.decoupling.weight * head

    def joint_inference(self, images: Tensor) -> Tensor:
        """By similarity alone, which knows all classes alike."""
        with torch.no_grad(), self.precision.autocast():
            return self.logits(self.image_features(images), self.kept_class_features())
