"""TCP: tokens made from a class's hand-crafted features join in the middle of the text encoder.

    T_c = Linear(E/4, M D)(QuickGELU(Linear(E, E/4)(h_c)))      L = CE + W mean_c (1 - <s_c, h_c>)

The tokens T_c [M, D] replace the M context tokens at the input of text layer LAYER, 0 being the
first. Below it all classes share the learned context, from it on each has its own.

Paper: TCP: Textual-based Class-aware Prompt tuning for Visual-Language Model, arXiv:2311.18231.
Published code: htyao89/Textual-based_Class-aware_prompt_tuning at bd97bec, trainers/tcp.py. As
there, context starts random, the prompts have words behind the class name, h_c is the feature of a
sentence of its own, and Adam runs with eps 1e-3 (there by editing Dassl, here by ADAM_EPS).
Differences: its unused weight of the injection is left out; 25 epochs on ImageNet and SUN397 are a
recipe, not code; data sets that its tables do not name take their own sentence for h_c and
"X X X X <class>." for the prompt.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.backbones.installed_clip import QuickGELU
from promptkit.config import ContextConfig, require_range
from promptkit.encoders.text_encoder import Injection, Prompts
from promptkit.objectives.losses import knowledge_guided
from promptkit.prompts.initial_context import all_words
from promptkit.prompts.sentences import SentenceSlots
from promptkit.prompts.templates import dataset_template
from promptkit.registry import register
from promptkit.runs.published_config import under_coop
from promptkit.trainer import PromptTrainer

# Where the published sentences of h_c differ from CoOp's.
TEMPLATES = {
    "FGVCAircraft": "a photo of an aircraft {}.",
    "DescribableTextures": "a photo of a {}, a type of texture.",
    "Food101": "a photo of a {}, a type of food.",
}
# What follows the context in the learned prompt, words of a photo's sentence included.
ENDINGS = {
    "OxfordPets": "{}, a type of pet.",
    "OxfordFlowers": "{}, a type of flower.",
    "FGVCAircraft": "{}, a type of aircraft.",
    "DescribableTextures": "{} texture.",
    "StanfordCars": "{}, a type of car",
    "Food101": "{}, a type of food.",
    "UCF101": "person doing {}.",
}


@dataclass(frozen=True, kw_only=True)
class TCPConfig(ContextConfig):
    """Options under TRAINER.TCP."""

    n_ctx: int = 4
    w: float = 8.0  # weight of the distance to the hand-crafted features
    layer: int = 8  # text layer at whose input the class-aware tokens come in
    adam_eps: float = 1e-3  # of adam, amsgrad, adamw; without it half precision overflows

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("w", self.w, 0)
        require_range("layer", self.layer, 1)
        require_range("adam_eps", self.adam_eps, 0, open_low=True)


class ClassAwarePrompts(nn.Module):
    """A context and the net that makes each class's tokens; published keys."""

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, init: str, ending: str,
        hand_crafted: Tensor, layer: int,
    ) -> None:  # fmt: skip
        super().__init__()
        start = all_words(model, num_context, init)
        self.ctx, self.layer = nn.Parameter(start.vectors), layer
        width = hand_crafted.shape[1]
        layers = {
            "linear1": nn.Linear(width, width // 4),
            "relu": QuickGELU(),
            "linear2": nn.Linear(width // 4, start.vectors.numel()),
        }
        self.meta_net = nn.Sequential(OrderedDict(layers))
        self.register_buffer("hand_crafted", hand_crafted.float(), persistent=False)
        self.slots = SentenceSlots(
            model, classnames, template=f"{start.words} {ending}", num_slots=len(start.vectors)
        )

    def forward(self) -> Prompts:
        """The prompts, with each class's tokens from `layer` on."""
        tokens = self.meta_net(self.hand_crafted).unflatten(1, self.ctx.shape)  # [C, M, D]
        return self.slots(self.ctx, injection=Injection(self.layer, tokens))


@register
class TCP(PromptTrainer):
    """Textual-based class-aware prompt tuning."""

    Config = TCPConfig
    published_config = under_coop("N_CTX", "CTX_INIT", "W", "PREC", ctx_init="a photo of a")

    def build_learner(self, classnames: list[str]) -> ClassAwarePrompts:
        """Context and net."""
        dataset, options = self.dm.dataset, self.options
        layers = len(self.clip_model.text_blocks)
        if options.layer >= layers:
            raise ValueError(
                f"TRAINER.TCP.LAYER must be from 1 to {layers - 1}, this backbone has {layers} "
                f"text layers; got {options.layer}."
            )
        template = dataset_template(dataset, self.cfg.DATASET.TEMPLATE, published=TEMPLATES)
        self.hand_crafted = self.hand_crafted_features(classnames, (template,))
        return ClassAwarePrompts(
            self.clip_model, classnames, num_context=options.n_ctx, init=options.ctx_init,
            ending=ENDINGS.get(type(dataset).__name__, "{}."), hand_crafted=self.hand_crafted,
            layer=options.layer,
        )  # fmt: skip

    def build_model(self) -> None:
        """As the base's, with Adam's eps."""
        super().build_model()
        for group in self.optim.param_groups:
            if "eps" in group:
                group["eps"] = self.options.adam_eps

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy and distance to the hand-crafted features."""
        text_features = self.text_features()
        logits = self.logits(self.image_features(images), text_features)
        views = text_features, self.hand_crafted
        parts = knowledge_guided(logits, labels, *views, self.options.w)
        return parts | {"acc": self.accuracy(logits, labels)}
