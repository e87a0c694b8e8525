"""Class-wise weights that start at text features: ZSLP, CLAP and TaskRes.

    logits = 100 <unit(z), unit(w_c)>        w_c starts at t_c, the unnormalised text feature

`ZSLP`, the zero-shot-initialised linear probe, minimises cross-entropy. `CLAP` adds
mean_c a_c |w_c - t_c|^2 with a_c (CONSTRAINT): "class" the mean zero-shot probability of c over
the views of its images; "corrected" these scaled to the sum C; "constant" their mean; "balanced" 1.
With ADAPTIVE an augmented-Lagrangian step (PHR) follows each epoch: a_c <- max(0, a_c + r_c h_c),
r_c <- h_c, where h_c = |w_c - t_c|^2 and r_c starts at 0. `TaskRes` has w_c = t_c + ALPHA x_c,
with x_c from 0.

All by SGD on rows of VIEWS augmented passes, one recipe for every data set, nothing chosen.

Papers: A Closer Look at the Few-Shot Adaptation of Large Vision-Language Models, arXiv:2312.12730
(published code: jusiro/CLAP at dbdf409, where all three are); Task Residual for Tuning
Vision-Language Models, arXiv:2211.10277. On classes that were not trained ZSLP and CLAP are
zero-shot CLIP, and say so; TaskRes refuses them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.checkpoints.loading import OtherClasses
from promptkit.config import require, require_range
from promptkit.feature_trainer import FeatureConfig, FeatureTrainer, require_every_class
from promptkit.prompts.templates import dataset_template
from promptkit.registry import register

CONSTRAINTS = ("class", "corrected", "constant", "balanced")


@dataclass(frozen=True, kw_only=True)
class ZSLPConfig(FeatureConfig):
    """Options under TRAINER.ZSLP."""

    views: int = 20


@dataclass(frozen=True, kw_only=True)
class CLAPConfig(ZSLPConfig):
    """Options under TRAINER.CLAP."""

    constraint: str = "class"  # class | corrected | constant | balanced
    adaptive: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require("constraint", self.constraint, CONSTRAINTS)


@dataclass(frozen=True, kw_only=True)
class TaskResConfig(ZSLPConfig):
    """Options under TRAINER.TASKRES."""

    alpha: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("alpha", self.alpha, 0, open_low=True)


class Prototypes(nn.Module):
    """Trained weights [C, E], and the multipliers of CLAP with their penalties, [C]."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(start.clone())
        self.register_buffer("multipliers", torch.zeros(len(start)))
        self.register_buffer("penalties", torch.zeros(len(start)))


class _Prototypical(FeatureTrainer):
    """What the three have."""

    def templates(self) -> tuple[str, ...]:
        """As the base's; for ImageNet the data set's own beside the seven."""
        own = dataset_template(self.dm.dataset, self.cfg.DATASET.TEMPLATE)
        found = super().templates()
        return found if found == (own,) else (*found, own)

    def build_adapter(self) -> Prototypes:
        """Starts at the text features."""
        classnames, templates = self.dm.dataset.classnames, self.templates()
        self.text = self.hand_crafted_features(classnames, templates, normalize="none").float()
        return Prototypes(self.start())

    def start(self) -> Tensor:
        """Of what is trained, [C, E]."""
        return self.text

    def weights(self) -> Tensor:
        """w [C, E]."""
        return self.learner.prototypes

    def feature_logits(self, features: Tensor) -> Tensor:
        """Unit features [B, E] to logits [B, C]."""
        return self.logit_scale * features @ F.normalize(self.weights(), dim=-1).T


@register
class ZSLP(_Prototypical):
    """Linear probe that starts at zero-shot CLIP."""

    Config = ZSLPConfig

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """As the base's; where classes are not those of training, their text features stay."""
        try:
            super().load_model(directory, epoch)
        except OtherClasses:
            print(
                f"{type(self).__name__} has no weights of these classes: their text features stand "
                "in, which is zero-shot CLIP."
            )


@register
class CLAP(ZSLP):
    """Linear probe held near zero-shot CLIP, each class as far as CLIP knows it."""

    Config = CLAPConfig

    def prepare(self) -> None:
        """The multipliers."""
        kind = self.options.constraint
        if kind == "balanced":
            found = torch.ones(self.num_classes, device=self.device)
        else:
            require_every_class(self)
            rows = self.train_features.flatten(0, 1)
            labels = self.labels.repeat(self.num_views())
            with torch.no_grad():
                right = self.feature_logits(rows).softmax(1).gather(1, labels[:, None])
            one_hot = F.one_hot(labels, self.num_classes).float()
            found = (one_hot.T @ right).squeeze(1) / one_hot.sum(0)
        if kind == "corrected":
            found = found * (self.num_classes / found.sum())
        if kind == "constant":
            found = found.mean().expand(self.num_classes)
        self.learner.multipliers.copy_(found)

    def distances(self) -> Tensor:
        """|w_c - t_c|^2, [C]."""
        return (self.learner.prototypes - self.text).square().sum(-1)

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy and the constraint."""
        parts = super().loss(images, labels)
        constraint = (self.learner.multipliers * self.distances()).mean()
        return parts | {"loss": parts["loss"] + constraint, "constraint": constraint}

    def after_epoch(self) -> None:
        """With ADAPTIVE, the multipliers' step."""
        if self.options.adaptive:
            learner = self.learner
            with torch.no_grad():
                distances = self.distances()
                learner.multipliers.add_(learner.penalties * distances).clamp_(min=0)
                learner.penalties.copy_(distances)
        super().after_epoch()


@register
class TaskRes(_Prototypical):
    """A residual of the text features."""

    Config = TaskResConfig

    def start(self) -> Tensor:
        """Zeros [C, E]."""
        return torch.zeros_like(self.text)

    def weights(self) -> Tensor:
        """w [C, E]."""
        return self.text + self.options.alpha * self.learner.prototypes
