"""DeKg: KgCoOp whose text features also become independent of the hand-crafted ones.

    L = CE + W * mean_c (1 - <s_c, h_c>) + HSIC_WEIGHT * HSIC(S, H)

S and H [C, E] hold the text features s_c with the learned prompt and the frozen hand-crafted ones
h_c; HSIC is of linear kernels, see `promptkit.objectives.independence`. It is minimised: dependence
across classes falls while each class stays near its sentence, where E2MIM maximises a dependence.
With HSIC_WEIGHT 0, DeKg is KgCoOp and DeKg_TCP is TCP, to the last bit.

Paper: Divergence-enhanced Knowledge-guided Context Optimization for Visual-Language Prompt Tuning,
openreview 6wOmHdwCC4 (ICLR 2025). Published code: cnunlp/DeKg at b8f2f1c, trainers/DeKg.py and
trainers/DeKg_TCP.py. As there, HSIC takes S in unit norm for DeKg and as long as the encoder makes
it for DeKg_TCP (HSIC_NORMALIZE). What it does not say: weights of DeKg_TCP, for which these are
DeKg's; and Adam's eps, here TCP's 1e-3, as Dassl's 1e-8 divides 0 by 0 in its half precision.
Differences: DeKg's mode amp works, and loss parts are fp32.
"""

from dataclasses import dataclass

from torch import Tensor

from promptkit.class_aware_trainer import ClassAwareConfig, ClassAwareTrainer
from promptkit.config import require_range
from promptkit.frozen_features import unit
from promptkit.guided_trainer import GuidedConfig, GuidedContextConfig, GuidedContextTrainer
from promptkit.objectives.independence import linear_hsic
from promptkit.registry import register
from promptkit.runs.published_config import PublishedConfig, under_coop

# The published code reads TRAINER.COOP, and LOSS besides.
_COOP = under_coop("N_CTX", "CTX_INIT", "W", "PREC", ctx_init="a photo of a")
PUBLISHED = PublishedConfig(
    keys={**_COOP.keys, "LOSS.WEIGHT": "HSIC_WEIGHT"}, fixed=_COOP.fixed, ctx_init=_COOP.ctx_init
)


@dataclass(frozen=True, kw_only=True)
class IndependentConfig(GuidedConfig):
    """What both take (LOSS.WEIGHT in the published code)."""

    hsic_weight: float = 6.0  # of the dependence on the hand-crafted features
    hsic_normalize: bool = True  # HSIC takes text features in unit norm

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("hsic_weight", self.hsic_weight, 0)


@dataclass(frozen=True, kw_only=True)
class DeKgConfig(GuidedContextConfig, IndependentConfig):
    """Options under TRAINER.DEKG."""


@dataclass(frozen=True, kw_only=True)
class DeKgTCPConfig(ClassAwareConfig, IndependentConfig):
    """Options under TRAINER.DEKG_TCP."""

    hsic_normalize: bool = False


class Independent:
    """The part of a guided trainer that adds the dependence to its loss."""

    published_config = PUBLISHED

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy, distance to the hand-crafted features, dependence on them."""
        encoded = self.encoded_text()
        text_features = unit(encoded)
        parts = self.loss_of(self.image_features(images), text_features, images, labels)
        view = text_features if self.options.hsic_normalize else encoded
        hsic = linear_hsic(view, self.hand_crafted)
        return parts | {"loss": parts["loss"] + self.options.hsic_weight * hsic, "hsic": hsic}


@register
class DeKg(Independent, GuidedContextTrainer):
    """Divergence-enhanced knowledge-guided context optimisation."""

    Config = DeKgConfig


@register
class DeKg_TCP(Independent, ClassAwareTrainer):
    """The same on TCP's class-aware prompts."""

    Config = DeKgTCPConfig
