"""MaPLe's prompts: deep ones of the text, which linear maps make those of the image."""

import copy

from torch import nn

from promptkit.backbones.backbone import Backbone
from promptkit.encoders.image_encoder import VisionTokens
from promptkit.encoders.text_encoder import Prompts
from promptkit.prompts.deep import check_depth, num_layers, random_layers
from promptkit.prompts.initial_context import first_words
from promptkit.prompts.sentences import SentenceSlots


class MultiModalPrompts(nn.Module):
    """Prompts of the text and the maps to the image.

    Args:
        model: a CLIP whose image encoder has tokens.
        classnames: C names.
        num_context: M.
        depth: J, layers of both encoders with prompts of their own.
        init: words that the first layer's context starts from, see `first_words`.
        method: whose, in what is printed.
    """

    def __init__(
        self,
        model: Backbone,
        classnames: list[str],
        *,
        num_context: int,
        depth: int,
        init: str,
        method: str = "MaPLe",
    ) -> None:
        super().__init__()
        check_depth("PROMPT_DEPTH", depth, min(num_layers(model)))
        start = first_words(model, num_context, init)
        print(f'{method} design: Multi-modal Prompt Learning\nInitial context: "{start.words}"')
        print(f"Number of {method} context words (tokens): {num_context}")
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
