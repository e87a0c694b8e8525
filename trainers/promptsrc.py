"""PromptSRC: IVLP's prompts, held near frozen CLIP and averaged over the epochs.

    L = CE + TEXT_LOSS_WEIGHT * |s - h|_1 + IMAGE_LOSS_WEIGHT * |z - z0|_1 + LOGITS_LOSS_WEIGHT * KL

s, z are prompted text and image features, h, z0 frozen ones, all in unit norm; |.|_1 is the mean
over elements; h is the mean over sixty templates; KL = sum(p0 (log p0 - log p)) / (B C) of the
class probabilities. After epoch e of E the prompts are added to a sum with weight w_e, a Gaussian
(GPA_MEAN, GPA_STD) over 1 ... E scaled to sum 1; after the last, the sum takes their place.

Paper: Self-regulating Prompts: Foundational Model Adaptation without Forgetting, arXiv:2307.06948.
Published code: muzairkhattak/PromptSRC at bb95c77, trainers/promptsrc.py. As there, h is the mean
of features that are not normalised first, and KL is divided by B C, not by B. Differences: only
prompts are averaged (there all of CLIP with them, which changes nothing but rounding), and the sum
is saved with each checkpoint, so that a resumed run ends with the same prompts.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from promptkit.config import VisionLanguageConfig, require_range
from promptkit.objectives.averaging import WeightAverage, gaussian_weights
from promptkit.prompts.deep import VisionLanguagePrompts
from promptkit.prompts.templates import PROMPTSRC_TEMPLATES
from promptkit.registry import register
from promptkit.vision_trainer import VisionPromptTrainer


@dataclass(frozen=True, kw_only=True)
class PromptSRCConfig(VisionLanguageConfig):
    """Options under TRAINER.PROMPTSRC."""

    n_ctx_vision: int = 4
    n_ctx_text: int = 4
    prompt_depth_vision: int = 9
    prompt_depth_text: int = 9
    text_loss_weight: float = 25.0
    image_loss_weight: float = 10.0
    logits_loss_weight: float = 1.0  # not a key of the published code, which has this value
    gpa_mean: float = 15.0  # in epochs
    gpa_std: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("text_loss_weight", "image_loss_weight", "logits_loss_weight"):
            require_range(name, getattr(self, name), 0)
        require_range("gpa_std", self.gpa_std, 0, open_low=True)


@register
class PromptSRC(VisionPromptTrainer):
    """Self-regulating prompts."""

    Config = PromptSRCConfig
    learner_name = "VLPromptLearner"
    reads_frozen_views = True

    def build_learner(self, classnames: list[str]) -> VisionLanguagePrompts:
        """The prompts of both encoders; and the frozen text features they are held near."""
        self.hand_crafted = self.hand_crafted_features(
            classnames, PROMPTSRC_TEMPLATES, normalize="mean"
        )
        return VisionLanguagePrompts(self.clip_model, classnames, **self.options.arguments())

    def build_model(self) -> None:
        """As the base's; also registers the average, so that it is saved and resumed."""
        super().build_model()
        mean, std = self.options.gpa_mean, self.options.gpa_std
        self.epoch_weights = gaussian_weights(self.max_epoch, mean, std)
        self.average = WeightAverage(self.learner)
        self.register_model("gpa", self.average)

    def loss_of(
        self, image_features: Tensor, text_features: Tensor, images: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """Cross-entropy and the three consistency terms."""
        options = self.options
        frozen_features = self.frozen_image_features(images)
        logits = self.logits(image_features, text_features)
        frozen_logits = self.logits(frozen_features, self.hand_crafted)
        ce = F.cross_entropy(logits, labels)
        text = F.l1_loss(text_features.float(), self.hand_crafted.float())
        image = F.l1_loss(image_features.float(), frozen_features.float())
        kl = F.kl_div(
            F.log_softmax(logits, dim=1), F.log_softmax(frozen_logits, dim=1),
            reduction="sum", log_target=True,
        ) / logits.numel()  # fmt: skip
        regularised = ce + options.text_loss_weight * text + options.image_loss_weight * image
        return {
            "loss": regularised + options.logits_loss_weight * kl,
            "acc": self.accuracy(logits, labels),
            "ce": ce,
            "text_loss": text,
            "image_loss": image,
            "logits_loss": kl,
        }

    def after_epoch(self) -> None:
        """Adds the epoch's prompts to the average, which takes their place after the last."""
        self.average.add(self.learner, self.epoch_weights[self.epoch])
        if self.epoch + 1 == self.max_epoch:
            print("Using GPA model for final inference...")
            self.average.copy_to(self.learner)
        super().after_epoch()
