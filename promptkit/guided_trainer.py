"""The base of methods that hold text features near hand-crafted ones: KgCoOp's loss and context."""

from dataclasses import dataclass

from torch import Tensor

from promptkit.config import ContextConfig, require, require_range
from promptkit.descriptions import DESCRIPTIONS
from promptkit.objectives.losses import knowledge_guided
from promptkit.prompts.context import ContextPrompts
from promptkit.prompts.templates import dataset_template
from promptkit.trainer import PromptTrainer

# Where the sentences of KgCoOp's code, and of those that grew out of it, differ from CoOp's.
TEMPLATES = {"DescribableTextures": "a photo of a {}, a type of texture."}


@dataclass(frozen=True, kw_only=True)
class GuidedConfig(ContextConfig):
    """What methods that are held near hand-crafted features take."""

    n_ctx: int = 4
    w: float = 8.0  # weight of the distance to the hand-crafted features

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("w", self.w, 0)


@dataclass(frozen=True, kw_only=True)
class GuidedContextConfig(GuidedConfig):
    """What those with CoOp's context take."""

    ctx_init: str = "a photo of a"
    templates: str = "single"  # single: the data set's | descriptions: DATASET.DESCRIPTIONS

    def __post_init__(self) -> None:
        super().__post_init__()
        require("templates", self.templates, ("single", DESCRIPTIONS))


class GuidedTrainer(PromptTrainer):
    """Minimises the cross-entropy and W times the distance of text features to others.

    Attributes:
        hand_crafted: those others, h, [C, E] in unit norm; `build_learner` sets them.
    """

    hand_crafted: Tensor

    def loss_of(
        self, image_features: Tensor, text_features: Tensor, images: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """Cross-entropy and the weighted distance of the text features."""
        logits = self.logits(image_features, text_features)
        views = text_features, self.hand_crafted
        parts = knowledge_guided(logits, labels, *views, self.options.w)
        return parts | {"acc": self.accuracy(logits, labels)}


class GuidedContextTrainer(GuidedTrainer):
    """Learns CoOp's context, held near the features of the hand-crafted sentence."""

    def build_learner(self, classnames: list[str]) -> ContextPrompts:
        """A shared context; and the features it is held near."""
        override = self.cfg.DATASET.TEMPLATE
        template = dataset_template(self.dm.dataset, override, published=TEMPLATES)
        if not self.classes_alone:  # only a loss asks for it
            self.hand_crafted = self.hand_crafted_view((template,))
        learner = ContextPrompts(
            self.clip_model,
            classnames,
            num_context=self.options.n_ctx,
            init=self.options.ctx_init,
        )
        learner.published_unused = ("bias_vectors", "meta_net.")
        return learner
