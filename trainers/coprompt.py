"""CoPrompt: MaPLe's prompts and adapters on both features, held near frozen CLIP.

    z' = unit(IMAGE_RATIO A_z(z) + (1 - IMAGE_RATIO) z)      t' likewise with TEXT_RATIO, A_t
    L = CE(<z', t'_c>, y) + W (1 - mean_c cos(t'_c, h_c) + 1 - mean cos(z', z0))

z, t are MaPLe's features. h_c is frozen CLIP's feature of one sentence about class c, which is
drawn in every step (its number is the same for all classes); z0 that of a second augmented version
of the image. A is CLIP-Adapter's network, Linear E -> E / 4, ReLU, Linear, ReLU, without biases, so
that it sees no length: it is given unit features here.

Paper: Consistency-guided Prompt Learning for Vision-Language Models, arXiv:2306.01195. Published
code: ShuvenduRoy/CoPrompt at a2a6c12, trainers/coprompt.py; its trainers/constants.py sets
PROMPT_DEPTH, N_CTX, W and Food101's epochs for each data set, over what the yaml file says: the
recipes `..._as_published`. The sentences are those of DATASET.DESCRIPTIONS, for which its folder
gpt_file has a file each (one written there about every class, a list of equal length for all: where
lengths differ, the first of each are taken). Differences: everything learned is fp32, and the
sentence's number is drawn by torch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from promptkit.backbones.backbone import Backbone
from promptkit.bottleneck import bottleneck
from promptkit.config import MultiModalConfig, require, require_range
from promptkit.descriptions import DESCRIPTIONS
from promptkit.frozen_features import unit
from promptkit.prompts.multi_modal import MultiModalPrompts
from promptkit.prompts.templates import IMAGENET_TEMPLATES, fill
from promptkit.registry import register
from promptkit.runs.published_config import PublishedConfig
from promptkit.vision_trainer import VisionPromptTrainer

PUBLISHED_KEYS = {f"TRAINER.CoPrompt.{x}": x for x in ("N_CTX", "CTX_INIT", "PREC", "PROMPT_DEPTH")}


@dataclass(frozen=True, kw_only=True)
class CoPromptConfig(MultiModalConfig):
    """Options under TRAINER.COPROMPT."""

    w: float = 8.0  # weight of the consistency; train.py's default there, its yaml file has 1.0
    distill: str = "cosine"  # cosine | mse, how far features are from the frozen ones
    image_ratio: float = 0.1  # of the adapter's output
    text_ratio: float = 0.2
    templates: str = DESCRIPTIONS  # descriptions: DATASET.DESCRIPTIONS | ensemble80: OpenAI's

    def __post_init__(self) -> None:
        super().__post_init__()
        require("distill", self.distill, ("cosine", "mse"))
        require("templates", self.templates, (DESCRIPTIONS, "ensemble80"))
        require_range("w", self.w, 0)
        for name in ("image_ratio", "text_ratio"):
            require_range(name, getattr(self, name), 0, 1)


class AdaptedPrompts(MultiModalPrompts):
    """MaPLe's prompts and the two adapters."""

    def __init__(self, model: Backbone, classnames: list[str], **arguments: int | str) -> None:
        super().__init__(model, classnames, method="CoPrompt", **arguments)
        self.adapter_image = bottleneck(model.embed_dim)
        self.adapter_text = bottleneck(model.embed_dim)

    published_unused = ("model_distill.",)

    @property
    def published_names(self) -> dict[str, str]:
        """The names of the parameters and the published ones."""
        names = super().published_names
        adapters = (name for name in names if name.startswith("adapter_"))
        return names | {name: name.replace(".", ".fc.", 1) for name in adapters}


@register
class CoPrompt(VisionPromptTrainer):
    """Consistency-guided prompt learning."""

    Config = CoPromptConfig
    learner_name = "MultiModalPromptLearner"
    images_of_each = 2
    published_config = PublishedConfig(
        {**PUBLISHED_KEYS, "TRAINER.W": "W", "TRAINER.DISTILL": "DISTILL"}
    )

    def build_learner(self, classnames: list[str]) -> AdaptedPrompts:
        """Prompts and adapters; and frozen features [K, C, E] of the sentences about classes."""
        if not self.classes_alone:  # only a loss asks for them
            self.sentence_views = self._views_of(classnames)
        return AdaptedPrompts(self.clip_model, classnames, **self.options.arguments())

    def _views_of(self, classnames: list[str]) -> Tensor:
        if self.options.templates == DESCRIPTIONS:
            own = self.description_features()
        else:
            own = self.features_of_each(
                tuple(tuple(fill(x, name) for x in IMAGENET_TEMPLATES) for name in classnames)
            )
        count = min(map(len, own))
        if any(len(features) > count for features in own):
            print(f"{count} sentences about each class are used, as many as the least has")
        return torch.stack([features[:count] for features in own], dim=1)

    def text_features(self) -> Tensor:
        """Adapted text features of all classes in unit norm [C, E]."""
        adapter = self.learner.adapter_text
        return _adapted(super().text_features(), adapter, self.options.text_ratio)

    def image_features(self, images: Tensor) -> Tensor:
        """Prompted and adapted image features in unit norm: [B, 3, H, W] to [B, E]."""
        adapter = self.learner.adapter_image
        return _adapted(super().image_features(images), adapter, self.options.image_ratio)

    def parse_batch_train(self, batch) -> tuple[Tensor, Tensor]:
        """Both versions of the images, [B, 2, 3, H, W], and labels [B]."""
        return super().parse_batch_train(batch | {"img": torch.stack(batch["img"], dim=1)})

    def drawn(self, labels: Tensor) -> tuple[Tensor]:
        """The features [C, E] of one sentence about each class."""
        number = torch.randint(len(self.sentence_views), ())
        return (self.sentence_views[number.to(self.sentence_views.device)],)

    def loss(self, images: Tensor, labels: Tensor, sentences: Tensor) -> dict[str, Tensor]:
        """Cross-entropy and consistency of images [B, 2, 3, H, W] and sentences [C, E]."""
        first, second = images.unbind(dim=1)
        text_features, image_features = self.text_features(), self.image_features(first)
        logits = self.logits(image_features, text_features)
        ce = F.cross_entropy(logits, labels)
        text = self._distance(text_features, sentences)
        image = self._distance(image_features, self.frozen_image_features(second))
        return {
            "loss": ce + self.options.w * (text + image),
            "acc": self.accuracy(logits, labels),
            "ce": ce,
            "text_loss": text,
            "image_loss": image,
        }

    def _distance(self, features: Tensor, frozen: Tensor) -> Tensor:
        """Of unit features [N, E] to frozen ones, a mean."""
        features, frozen = features.float(), frozen.float()
        if self.options.distill == "mse":
            return F.mse_loss(features, frozen)
        return 1 - (features * frozen).sum(dim=-1).mean()


def _adapted(features: Tensor, adapter: torch.nn.Module, ratio: float) -> Tensor:
    """Unit features [N, E], moved by `ratio` of an adapter's output."""
    features = features.float()
    return unit(ratio * adapter(features) + (1 - ratio) * features)
