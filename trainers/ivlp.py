"""IVLP: independent deep prompts in both encoders.

    L = CE(logit_scale * <unit(f(x; P)), unit(g(t_c; V))>, y)

V_j [M, D] replaces the context at the input of text layer j, P_j [M, D'] the tokens behind the
patches at the input of image layer j, each for the first PROMPT_DEPTH layers. A PROMPT_DEPTH_VISION
of 0 prompts the text alone, MaPLe's "deep language prompting".

Paper: the independent baseline of MaPLe: Multi-modal Prompt Learning, arXiv:2210.03117. Published
code: muzairkhattak/multimodal-prompt-learning at 69bce21, trainers/independentVL.py.
"""

from dataclasses import dataclass

from promptkit.config import VisionLanguageConfig
from promptkit.prompts.deep import VisionLanguagePrompts
from promptkit.registry import register
from promptkit.vision_trainer import VisionPromptTrainer


@dataclass(frozen=True, kw_only=True)
class IVLPConfig(VisionLanguageConfig):
    """Options under TRAINER.IVLP."""

    n_ctx_vision: int = 2
    n_ctx_text: int = 2
    prompt_depth_vision: int = 12
    prompt_depth_text: int = 12


@register
class IVLP(VisionPromptTrainer):
    """Independent vision-language prompting."""

    Config = IVLPConfig
    learner_name = "VLPromptLearner"

    def build_learner(self, classnames: list[str]) -> VisionLanguagePrompts:
        """The prompts of both encoders."""
        return VisionLanguagePrompts(self.clip_model, classnames, **self.options.arguments())
