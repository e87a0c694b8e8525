"""ProGrad: CoOp whose steps never go against what zero-shot CLIP knows.

    xe = CE(logits, y)     kl = -T^2 mean_b sum_c softmax(zero-shot / T) log softmax(logits / T)
    g = grad xe;  if <g, grad kl> < 0, then for k = grad kl / |grad kl|:  g <- g - LAMBDA <g, k> k

The projection is done for each parameter tensor by itself.

Paper: Prompt-aligned Gradient for Prompt Tuning, arXiv:2205.14865. Published code: BeierZhu/
Prompt-align at 1b76203, trainers/prograd.py. Kept from it: with words, the context is the data
set's sentence in its last places and zeros before it, and N_CTX words are counted by spaces, so
that a sentence with a comma leaves its last token behind the context as a fixed word. Differences:
the zero-shot teacher shares the image features of the step (the published one has its own fp32
CLIP, which is the same but for rounding in fp16), mode amp works, and the losses `kd` and
`vertical_grad`, which no table of the paper's main results uses, are left out.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit import ranks
from promptkit.backbones.backbone import Backbone
from promptkit.config import ContextConfig, require_range
from promptkit.encoders.text_encoder import Prompts
from promptkit.prompts.initial_context import last_words
from promptkit.prompts.sentences import SentenceSlots
from promptkit.prompts.templates import dataset_template
from promptkit.registry import register
from promptkit.runs.published_config import PublishedConfig, under_coop
from promptkit.trainer import PromptTrainer

# Where the published sentences differ from CoOp's.
TEMPLATES = {
    "OxfordPets": "a type of pet, a photo of a {}.",
    "OxfordFlowers": "a type of flower, a photo of a {}.",
    "FGVCAircraft": "a type of aircraft, a photo of a {}.",
    "DescribableTextures": "a texture of {}.",
    "Food101": "a type of food, a photo of {}.",
}
SENTENCE = "template"


@dataclass(frozen=True, kw_only=True)
class ProGradConfig(ContextConfig):
    """Options under TRAINER.PROGRAD (LOSS.T and LOSS.LAMBDA in the published code)."""

    ctx_init: str = SENTENCE  # "template" is the data set's sentence; other words; "" is N(0, 0.02)
    t: float = 1.0  # temperature of the distillation
    lambda_: float = 1.0  # share of the conflicting component that is taken out

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("t", self.t, 0, open_low=True)
        require_range("lambda_", self.lambda_, 0)


class SentenceContext(nn.Module):
    """A context with words in its last places; key of the state dict is the published one."""

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, words: str
    ) -> None:
        super().__init__()
        start = last_words(model, num_context, words)
        print(f'Initial context: "{start.words}"\nNumber of context words (tokens): {num_context}')
        self.ctx = nn.Parameter(start.vectors)
        self.slots = SentenceSlots(
            model, classnames, template=f"{start.words} {{}}.", num_slots=num_context
        )

    def forward(self) -> Prompts:
        """The prompts of all classes."""
        return self.slots(self.ctx)


# The published code reads TRAINER.COOP, and LOSS besides.
_COOP = under_coop("N_CTX", "CTX_INIT", "PREC", ctx_init=SENTENCE)
PUBLISHED = PublishedConfig(
    keys={**_COOP.keys, "LOSS.T": "T", "LOSS.LAMBDA": "LAMBDA"},
    fixed={**_COOP.fixed, "LOSS.NAME": "prograd", "LOSS.GM": False, "LOSS.ALPHA": 0.0},
    ctx_init=_COOP.ctx_init,
)


@register
class ProGrad(PromptTrainer):
    """Prompt-aligned gradient."""

    Config = ProGradConfig
    goes_back_twice = True
    published_config = PUBLISHED

    def build_learner(self, classnames: list[str]) -> SentenceContext:
        """A shared context; and the zero-shot teacher."""
        template = dataset_template(self.dm.dataset, self.cfg.DATASET.TEMPLATE, published=TEMPLATES)
        self.hand_crafted = self.hand_crafted_features(classnames, (template,))
        words = self.options.ctx_init
        if words == SENTENCE:
            words, _, rest = template.partition(" {}.")
            if rest or words == template:
                raise ValueError(
                    "TRAINER.PROGRAD.CTX_INIT template needs a sentence that ends with the class "
                    f"name and a full stop, '... {{}}.'; got '{template}'. Set DATASET.TEMPLATE, "
                    "or words."
                )
        return SentenceContext(
            self.clip_model, classnames, num_context=self.options.n_ctx, words=words
        )

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy and distillation, apart: their gradients meet in `update`."""
        temperature, image_features = self.options.t, self.image_features(images)
        logits = self.logits(image_features, self.text_features())
        target = F.softmax(self.logits(image_features, self.hand_crafted) / temperature, dim=1)
        cross = -(target * F.log_softmax(logits / temperature, dim=1)).sum(dim=1).mean()
        return {
            "xe_loss": F.cross_entropy(logits, labels),
            "kl_loss": temperature**2 * cross,
            "acc": self.accuracy(logits, labels),
        }

    def update(self, parts: dict[str, Tensor]) -> None:
        """Steps along the projected gradient."""
        parameters = list(self.learner.parameters())
        # In mode amp both are scaled: the projection keeps the scale of the first.
        scale = self.scaler.scale if self.scaler else lambda loss: loss
        for name in ("xe_loss", "kl_loss"):
            self.detect_anomaly(parts[name])
        general = torch.autograd.grad(scale(parts["kl_loss"]), parameters, retain_graph=True)
        own = torch.autograd.grad(scale(parts["xe_loss"]), parameters)
        general, own = ranks.means(general), ranks.means(own)  # a projection is not linear
        for parameter, gradient, other in zip(parameters, own, general, strict=True):
            parameter.grad = projected(gradient, other, self.options.lambda_)
        if self.scaler:
            self.step_scaled()
        else:
            self.model_update()


def projected(gradient: Tensor, other: Tensor, share: float) -> Tensor:
    """A gradient without `share` of its component against `other`, if it has one."""
    size = other.norm()
    if not (gradient * other).sum() < 0 or not size > 0:  # the square of a tiny one is 0
        return gradient
    direction = other / size
    return gradient - share * (gradient * direction).sum() * direction
