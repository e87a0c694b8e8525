"""MMA: adapters beside the upper layers of both encoders, with a middle that both share.

    x + attention + MLP + c Up(relu(Sh(relu(Down(LN(x))))))      L = CE

beside the layers ADAPTER_START ... ADAPTER_END of both encoders, 1 being the first; Down and Up are
each encoder's own, Sh is common to both, c is ADAPTER_SCALE. The gradients of all three are those
of c = 1, see promptkit/encoders/adapters.py. The sentence is the same for all data sets.

Paper: MMA: Multi-Modal Adapter for Vision-Language Models, CVPR 2024. Published code:
ZjjConan/VLM-MultiModalAdapter at c3d0bc2, trainers/mmadapter.py and clip/model.py, where the method
is MultiModalAdapter and its options are under TRAINER.MMADAPTER; both recipes there are the paper's
base-to-new and ImageNet ones. Differences: layer 0, adapters of the embeddings that no recipe has,
is left out; adapters are fp32 whatever PREC is, there amp.
"""

from dataclasses import dataclass, replace

from promptkit.config import PromptConfig, require_range
from promptkit.encoders.adapters import Adapters
from promptkit.encoders.image_encoder import VisionTokens
from promptkit.encoders.standing_in import IMAGES, TEXT
from promptkit.encoders.text_encoder import Prompts, below
from promptkit.prompts.deep import check_depth, num_layers
from promptkit.prompts.sentences import fixed_prompts
from promptkit.prompts.templates import fill
from promptkit.registry import register
from promptkit.runs.published_config import PublishedConfig
from promptkit.vision_trainer import VisionPromptTrainer

PUBLISHED_KEYS = ("TEXT_CTX_INIT", "ADAPTER_START", "ADAPTER_END", "ADAPTER_DIM", "ADAPTER_SCALE",
                  "PREC")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MMAConfig(PromptConfig):
    """Options under TRAINER.MMA."""

    text_ctx_init: str = "a photo of a"  # words before the class name; not tuned
    adapter_start: int = 5  # first layer with an adapter, 1 being the first of all
    adapter_end: int = 12  # last one
    adapter_dim: int = 32  # width of the middle
    adapter_scale: float = 0.001  # c

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("adapter_start", self.adapter_start, 1)
        require_range("adapter_end", self.adapter_end, self.adapter_start)
        require_range("adapter_dim", self.adapter_dim, 1)
        require_range("adapter_scale", self.adapter_scale, 0, open_low=True)

    @property
    def layers(self) -> range:
        """Those with adapters, counted from 0."""
        return range(self.adapter_start - 1, self.adapter_end)


@register
class MMA(VisionPromptTrainer):
    """Multi-modal adapter."""

    Config = MMAConfig
    learner_name = "adapter_learner"
    changes_images = "changes the image encoder"
    published_config = PublishedConfig({f"TRAINER.MMADAPTER.{key}": key for key in PUBLISHED_KEYS})

    def build_learner(self, classnames: list[str]) -> Adapters:
        """The adapters; and sentences whose way through the layers below them is kept."""
        model, options = self.clip_model, self.options
        check_depth("TRAINER.MMA.ADAPTER_END", options.adapter_end, min(num_layers(model)))
        template = f"{options.text_ctx_init} {{}}.".lstrip()
        sentences = [fill(template, name) for name in classnames]
        prompts = fixed_prompts(model, sentences, classnames=classnames)
        with self.precision.autocast():
            self.sentences = below(model, prompts, options.layers.start)
        return Adapters(
            model, layers=options.layers, width=options.adapter_dim, scale=options.adapter_scale
        )

    def prompts(self) -> Prompts:
        """The sentence with each class, and what stands beside its way."""
        return replace(self.sentences, beside=self.learner.beside(TEXT))

    def vision_tokens(self) -> VisionTokens:
        """What stands beside the way of an image."""
        return VisionTokens(beside=self.learner.beside(IMAGES))
