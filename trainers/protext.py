"""ProText: the text encoder's prompts learn from sentences about the classes, without an image.

    L = L_TWO_WEIGHT mean over a batch of sentences, and E, of (t_c - h)^2

h is frozen CLIP's feature of one sentence about class c, t_c the feature of "a photo of a <c>."
with learned tokens in the first PROMPT_DEPTH_TEXT layers, both in unit norm. A batch is drawn from
all sentences about all classes of the run; the shots, and so their number, have no effect.

Paper: Learning to Prompt with Text Only Supervision for Vision-Language Models, arXiv:2401.02418.
Published code: muzairkhattak/ProText at f63d96b, trainers/protext.py and its copy of Dassl. As
there, with more than 4 tokens the context starts random behind no words, and CROSS_DATASET takes a
longer sentence for data sets that are tested. Its GPT_PATH is DATASET.DESCRIPTIONS here, its
USE_TEMPLATES is TEMPLATES ensemble80 (the 79 behind "a photo of a {}."); USE_ATTRIBUTE_DATA is not
here. Its text encoder is fp32 whatever PREC says, but for deeper layers' tokens, which it rounds to
half precision: the recipes set fp32. Length, learning rate and epochs follow the data set there.
Differences: nothing is rounded; a class of the batch is encoded once, and the sentences of one run
once, not in every step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from promptkit.backbones.backbone import Backbone
from promptkit.config import PromptConfig, require, require_range
from promptkit.descriptions import DESCRIPTIONS
from promptkit.prompts.deep import VisionLanguagePrompts
from promptkit.prompts.sentences import SentenceSlots
from promptkit.prompts.templates import (
    DEFAULT_TEMPLATE,
    IMAGENET_TEMPLATES,
    dataset_template,
    fill,
)
from promptkit.registry import register
from promptkit.runs.published_config import PublishedConfig
from promptkit.stores.feature_bank import FeatureBank
from promptkit.trainer import PromptTrainer

# Of CROSS_DATASET, where they are not CoOp's.
TEMPLATES = {
    "DescribableTextures": "a photo of a {}, a type of a texture.",
    "EuroSAT": "a photo of a centered satellite photo of {}.",
    "Food101": "a photo of a {}, a type of food.",
    "UCF101": "a photo of a {}.",
}
WORDED = 4  # tokens, with which the context starts from words


@dataclass(frozen=True, kw_only=True)
class ProTextConfig(PromptConfig):
    """Options under TRAINER.PROTEXT."""

    n_ctx_text: int = 4  # context tokens; CTX_INIT is used up to 4
    ctx_init: str = "a photo of a"
    prompt_depth_text: int = 9  # layers with a context of their own
    templates: str = DESCRIPTIONS  # descriptions: DATASET.DESCRIPTIONS | ensemble80: OpenAI's
    cross_dataset: bool = False  # the data set's sentence, with up to 4 tokens
    l_two_norm: bool = True  # False: the mean absolute difference, without the weight
    l_two_weight: float = 1000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require("templates", self.templates, (DESCRIPTIONS, "ensemble80"))
        require_range("n_ctx_text", self.n_ctx_text, 1)
        require_range("l_two_weight", self.l_two_weight, 0)


class TextPrompts(VisionLanguagePrompts):
    """IVLP's prompts of the text alone, in a sentence that may have words behind the class."""

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, depth: int, init: str,
        template: str = "",
    ) -> None:  # fmt: skip
        super().__init__(
            model, classnames, num_text=num_context, depth_text=depth, num_vision=0,
            depth_vision=0, init=init,
        )  # fmt: skip
        if template:
            self.slots = SentenceSlots(model, classnames, template=template, num_slots=num_context)

    published_unused = ("prompt_learner.clip_model_zs.",)


@register
class ProText(PromptTrainer):
    """Prompts of the text encoder from text alone; a loss gets frozen features of sentences."""

    Config = ProTextConfig
    learner_name = "VLPromptLearner"
    published_config = PublishedConfig(
        fixed={
            f"TRAINER.PROTEXT.{key}": value
            for key, value in {
                "N_CTX_VISION": 0, "USE_TEMPLATES": False, "USE_ATTRIBUTE_DATA": False,
            }.items()
        }
    )  # fmt: skip

    def check_cfg(self, cfg) -> None:
        """As the base's.

        Raises:
            ValueError: FEATURES.VIEWS is set, or CROSS_DATASET with more than 4 tokens.
        """
        super().check_cfg(cfg)
        if cfg.FEATURES.VIEWS:
            raise ValueError(
                "FEATURES.VIEWS must be 0 with ProText, which is trained on sentences; got "
                f"{cfg.FEATURES.VIEWS}."
            )
        if self.options.cross_dataset and self.options.n_ctx_text > WORDED:
            raise ValueError(
                "TRAINER.PROTEXT.CROSS_DATASET must be False with more than 4 context tokens, "
                f"which no words follow; got {self.options.n_ctx_text}."
            )

    def needs_images(self) -> str:
        """Nothing does."""
        return "ProText is trained on sentences"

    def build_learner(self, classnames: list[str]) -> TextPrompts:
        """The prompts of the text."""
        options, template = self.options, ""
        if options.cross_dataset:
            override = self.cfg.DATASET.TEMPLATE
            template = dataset_template(self.dm.dataset, override, published=TEMPLATES)
        return TextPrompts(
            self.clip_model, classnames, num_context=options.n_ctx_text,
            depth=options.prompt_depth_text, init=options.ctx_init, template=template,
        )  # fmt: skip

    def before_train(self) -> None:
        """As the base's; batches are of sentences from here on."""
        super().before_train()
        if self.options.templates == DESCRIPTIONS:
            own = self.description_features()
        else:
            sentences = [x for x in IMAGENET_TEMPLATES if x != DEFAULT_TEMPLATE]
            names = self.dm.dataset.classnames
            own = self.features_of_each(
                tuple(tuple(fill(x, name) for x in sentences) for name in names)
            )
        labels = torch.arange(len(own)).repeat_interleave(torch.tensor([*map(len, own)]))
        size = self.cfg.DATALOADER.TRAIN_X.BATCH_SIZE
        print(f"Training on {len(labels)} sentences about {len(own)} classes, and on no image")
        self.train_loader_x = DataLoader(
            FeatureBank(torch.cat(own).float().cpu()[None], labels),
            batch_size=size,
            shuffle=True,
            drop_last=len(labels) >= size,
        )

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Distance of the classes' features to those of sentences, [B, E], about labels [B]."""
        found = self.text_features().float()[labels]
        if not self.options.l_two_norm:
            return {"loss": F.l1_loss(found, images)}
        return {"loss": self.options.l_two_weight * F.mse_loss(found, images)}
