"""KgCoOp: CoOp whose text features are held near those of the hand-crafted sentence.

    L = CE + W * mean_c (1 - <s_c, h_c>)

s_c is the text feature of class c with the learned context, h_c the frozen one of the data set's
hand-crafted sentence, both in unit norm. W = 0 is CoOp.

Paper: Visual-Language Prompt Tuning with Knowledge-guided Context Optimization, arXiv:2303.13283.
Published code: htyao89/KgCoOp at c43ccc3, trainers/kgcoop.py. Its table of sentences is
CoOp's but for DTD; DATASET.TEMPLATE sets another. Differences: modules that the published code
builds but never uses are left out.
"""

from dataclasses import dataclass

from torch import Tensor

from promptkit.config import ContextConfig, require, require_range
from promptkit.descriptions import DESCRIPTIONS
from promptkit.objectives.losses import knowledge_guided
from promptkit.prompts.context import ContextPrompts
from promptkit.prompts.templates import dataset_template
from promptkit.registry import register
from promptkit.runs.published_config import under_coop
from promptkit.trainer import PromptTrainer

# Where the published sentences differ from CoOp's.
TEMPLATES = {"DescribableTextures": "a photo of a {}, a type of texture."}


@dataclass(frozen=True, kw_only=True)
class KgCoOpConfig(ContextConfig):
    """Options under TRAINER.KGCOOP."""

    n_ctx: int = 4
    ctx_init: str = "a photo of a"
    w: float = 8.0  # weight of the distance to the hand-crafted features
    templates: str = "single"  # single: the data set's | descriptions: DATASET.DESCRIPTIONS

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("w", self.w, 0)
        require("templates", self.templates, ("single", DESCRIPTIONS))


@register
class KgCoOp(PromptTrainer):
    """Knowledge-guided context optimisation."""

    Config = KgCoOpConfig
    published_config = under_coop("N_CTX", "CTX_INIT", "W", "PREC", ctx_init="a photo of a")

    def build_learner(self, classnames: list[str]) -> ContextPrompts:
        """A shared context, CoOp's; and the features it is held near."""
        override = self.cfg.DATASET.TEMPLATE
        template = dataset_template(self.dm.dataset, override, published=TEMPLATES)
        self.hand_crafted = self.hand_crafted_view((template,))
        learner = ContextPrompts(
            self.clip_model,
            classnames,
            num_context=self.options.n_ctx,
            init=self.options.ctx_init,
        )
        learner.published_unused = ("bias_vectors", "meta_net.")
        return learner

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy and the weighted distance of the text features."""
        text_features = self.text_features()
        logits = self.logits(self.image_features(images), text_features)
        views = text_features, self.hand_crafted
        parts = knowledge_guided(logits, labels, *views, self.options.w)
        return parts | {"acc": self.accuracy(logits, labels)}
