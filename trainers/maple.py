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

import copy
from dataclasses import dataclass

from torch import nn

from promptkit.backbones.backbone import Backbone
from promptkit.config import ContextConfig
from promptkit.encoders.image_encoder import VisionTokens
from promptkit.encoders.text_encoder import Prompts
from promptkit.prompts.deep import check_depth, num_layers, random_layers
from promptkit.prompts.initial_context import first_words
from promptkit.prompts.sentences import SentenceSlots
from promptkit.registry import register
from promptkit.vision_trainer import VisionPromptTrainer


@dataclass(frozen=True, kw_only=True)
class MaPLeConfig(ContextConfig):
    """Options under TRAINER.MAPLE."""

    n_ctx: int = 2  # context tokens; CTX_INIT is used up to 4
    ctx_init: str = "a photo of a"
    prompt_depth: int = 9  # J: layers of both encoders with prompts of their own


class MultiModalPrompts(nn.Module):
    """Prompts of the text and the maps to the image."""

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, depth: int, init: str
    ) -> None:
        super().__init__()
        check_depth("PROMPT_DEPTH", depth, min(num_layers(model)))
        start = first_words(model, num_context, init)
        print(f'MaPLe design: Multi-modal Prompt Learning\nInitial context: "{start.words}"')
        print(f"Number of MaPLe context words (tokens): {num_context}")
        width, vision_width = start.vectors.shape[1], model.image_tokens.width
        self.proj = nn.Linear(width, vision_width)
        self.ctx = nn.Parameter(start.vectors)
        self.compound_prompts_text = random_layers(depth, num_context, width)
        one = nn.Linear(width, vision_width)
        self.compound_prompt_projections = nn.ModuleList(
            copy.deepcopy(one) for _ in range(depth - 1)
        )
        self.slots = SentenceSlots(
            model, classnames, template=f"{start.words} {{}}.", num_slots=num_context
        )

    def forward(self) -> Prompts:
        """The prompts of the text encoder."""
        return self.slots(self.ctx, deep=self.compound_prompts_text)

    def vision_tokens(self) -> VisionTokens:
        """The prompts of the image encoder, mapped from those of the text."""
        pairs = zip(self.compound_prompt_projections, self.compound_prompts_text, strict=True)
        return VisionTokens(self.proj(self.ctx), tuple(map_(text) for map_, text in pairs))

    @property
    def published_names(self) -> dict[str, str]:
        """The names of the parameters and the published ones."""
        return {name: f"prompt_learner.{name}" for name, _ in self.named_parameters()}


@register
class MaPLe(VisionPromptTrainer):
    """Multi-modal prompt learning."""

    Config = MaPLeConfig
    learner_name = "MultiModalPromptLearner"

    def build_learner(self, classnames: list[str]) -> MultiModalPrompts:
        """Prompts and maps."""
        options = self.options
        return MultiModalPrompts(
            self.clip_model,
            classnames,
            num_context=options.n_ctx,
            depth=options.prompt_depth,
            init=options.ctx_init,
        )
