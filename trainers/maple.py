"""MaPLe: deep prompts of the text that become those of the image by linear maps.

    P_j = W_j V_j + b_j  for the layers j = 0 ... J-1         L = CE

V_j [M, D] replaces the first M context tokens at the input of text layer j, P_j [M, D'] stands
behind the patches at the input of image layer j. The words of CTX_INIT beyond the first M tokens
stay as they are: with M = 2, "a photo" is learned and "of a" is not.

Paper: MaPLe: Multi-modal Prompt Learning, arXiv:2210.03117. Published code:
muzairkhattak/multimodal-prompt-learning at 69bce21, trainers/maple.py. As there, the maps of the
deeper layers start as copies of one. Differences: widths are the backbone's (there 512 and 768),
and everything learned is fp32.
"""

from dataclasses import dataclass

from promptkit.config import MultiModalConfig
from promptkit.prompts.multi_modal import MultiModalPrompts
from promptkit.registry import register
from promptkit.vision_trainer import VisionPromptTrainer


@dataclass(frozen=True, kw_only=True)
class MaPLeConfig(MultiModalConfig):
    """Options under TRAINER.MAPLE."""


@register
class MaPLe(VisionPromptTrainer):
    """Multi-modal prompt learning."""

    Config = MaPLeConfig
    learner_name = "MultiModalPromptLearner"

    def build_learner(self, classnames: list[str]) -> MultiModalPrompts:
        """Prompts and maps."""
        return MultiModalPrompts(self.clip_model, classnames, **self.options.arguments())
