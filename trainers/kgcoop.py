"""KgCoOp: CoOp whose text features are held near those of the hand-crafted sentence.

    L = CE + W * mean_c (1 - <s_c, h_c>)

s_c is the text feature of class c with the learned context, h_c the frozen one of the data set's
hand-crafted sentence, both in unit norm. W = 0 is CoOp.

Paper: Visual-Language Prompt Tuning with Knowledge-guided Context Optimization, arXiv:2303.13283.
Published code: htyao89/KgCoOp at c43ccc3, trainers/kgcoop.py. Differences: the sentence is the data
set's (DATASET.TEMPLATE sets another; the published table differs from CoOp's for DTD, "a photo of
a {}, a type of texture."), and modules that the published code builds but never uses are left out.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from dassl.engine import TRAINER_REGISTRY
from promptkit.config import ContextConfig, require_range
from promptkit.prompts import ContextPrompts, template_features
from promptkit.templates import dataset_template
from promptkit.trainer import PromptTrainer


@dataclass(frozen=True, kw_only=True)
class KgCoOpConfig(ContextConfig):
    """Options under TRAINER.KGCOOP."""

    n_ctx: int = 4
    ctx_init: str = "a photo of a"
    w: float = 8.0  # weight of the distance to the hand-crafted features

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("w", self.w, 0)


@TRAINER_REGISTRY.register()
class KgCoOp(PromptTrainer):
    """Knowledge-guided context optimisation."""

    Config = KgCoOpConfig

    def build_learner(self, classnames: list[str]) -> ContextPrompts:
        """A shared context, CoOp's; and the features it is held near."""
        template = dataset_template(self.dm.dataset, self.cfg.DATASET.TEMPLATE)
        self.hand_crafted = template_features(self.clip_model, classnames, (template,))
        return ContextPrompts(
            self.clip_model,
            classnames,
            num_context=self.options.n_ctx,
            init=self.options.ctx_init,
        )

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy and the weighted distance of the text features."""
        text_features = self.text_features()
        logits = self.logits(self.image_features(images), text_features)
        ce = F.cross_entropy(logits, labels)
        distance = 1 - (text_features.float() * self.hand_crafted.float()).sum(dim=-1).mean()
        return {
            "loss": ce + self.options.w * distance,
            "acc": self.accuracy(logits, labels),
            "ce": ce,
            "distance": distance,
        }
