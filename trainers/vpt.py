"""VPT: learned tokens in the image encoder, the text stays "a photo of a <class>.".

    logits = logit_scale * <unit(f(x; P_0 ... P_{J-1})), t_c>        L = CE

P_j are the tokens [M, D] behind the patches at the input of layer j; J is the depth.

Paper: Visual Prompt Tuning, arXiv:2203.12119, for CLIP as the building block of MaPLe,
arXiv:2210.03117. Published code: muzairkhattak/multimodal-prompt-learning at 69bce21,
trainers/vpt.py. The sentence is that code's, the same for all data sets.
"""

from dataclasses import dataclass

from torch import Tensor

from promptkit.config import PromptConfig, require_range
from promptkit.prompts.deep import DeepVisionPrompts
from promptkit.registry import register
from promptkit.vision_trainer import VisionPromptTrainer


@dataclass(frozen=True, kw_only=True)
class VPTConfig(PromptConfig):
    """Options under TRAINER.VPT."""

    n_ctx_vision: int = 8  # tokens in each prompted layer
    ctx_init: str = "a photo of a"  # words before the class name; not tuned
    prompt_depth_vision: int = 12  # J: layers with tokens of their own

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("n_ctx_vision", self.n_ctx_vision, 1)


@register
class VPT(VisionPromptTrainer):
    """Visual prompt tuning."""

    Config = VPTConfig

    def build_learner(self, classnames: list[str]) -> DeepVisionPrompts:
        """The tokens of all layers; and the text features, once and for all."""
        template = f"{self.options.ctx_init} {{}}."
        print(f'Vision Prompting Design\nInitial context: "{self.options.ctx_init}"')
        self.hand_crafted = self.hand_crafted_features(classnames, (template,))
        return DeepVisionPrompts(
            self.clip_model,
            num_tokens=self.options.n_ctx_vision,
            depth=self.options.prompt_depth_vision,
        )

    def text_features(self) -> Tensor:
        """Features [C, E] of the fixed sentence in unit norm."""
        return self.hand_crafted
