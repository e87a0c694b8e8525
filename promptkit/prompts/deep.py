"""Learned tokens for each of an encoder's first layers, and the pair of them for both encoders."""

from torch import nn

from promptkit.backbones.backbone import Backbone
from promptkit.encoders.image_encoder import VisionTokens
from promptkit.encoders.text_encoder import Prompts
from promptkit.prompts.initial_context import first_words, random_vectors
from promptkit.prompts.sentences import SentenceSlots

# Names in the authors' checkpoints, which keep a layer's prompt in the layer itself.
PUBLISHED_LAYER = "{encoder}.transformer.resblocks.{layer}.VPT_shallow"


def random_layers(depth: int, num_tokens: int, width: int) -> nn.ParameterList:
    """N(0, 0.02) vectors [M, D] for the layers 1 to depth - 1; the first layer has its own."""
    shape = num_tokens, width
    return nn.ParameterList(nn.Parameter(random_vectors(shape)) for _ in range(depth - 1))


def published_layers(name: str, encoder: str, layers: nn.ParameterList) -> dict[str, str]:
    """The names of `random_layers`, kept as `name`, and those of the published code."""
    return {
        f"{name}.{index}": PUBLISHED_LAYER.format(encoder=encoder, layer=index + 1)
        for index in range(len(layers))
    }


def check_depth(name: str, depth: int, layers: int, *, least: int = 1) -> None:
    """Raises ValueError unless a depth is possible in an encoder of `layers` layers."""
    if not least <= depth <= layers:
        raise ValueError(
            f"{name} must be from {least} to {layers}, the number of layers that this backbone "
            f"has; got {depth}."
        )


def num_layers(model: Backbone) -> tuple[int, int]:
    """Layers of the text and of the image encoder, which has tokens."""
    return len(model.text_blocks), len(model.image_tokens.blocks)


class DeepVisionPrompts(nn.Module):
    """Tokens behind the patches, in each of the first `depth` layers its own.

    Args:
        model: a CLIP whose image encoder has tokens.
        num_tokens: M.
        depth: layers with tokens of their own; in the layers after them the last ones live on.
    """

    def __init__(self, model: Backbone, *, num_tokens: int, depth: int) -> None:
        super().__init__()
        check_depth("PROMPT_DEPTH_VISION", depth, num_layers(model)[1])
        width = model.image_tokens.width
        self.ctx = nn.Parameter(random_vectors((num_tokens, width)))
        self.deep = random_layers(depth, num_tokens, width)

    def vision_tokens(self) -> VisionTokens:
        """The tokens of all layers."""
        return VisionTokens(self.ctx, tuple(self.deep))

    @property
    def published_names(self) -> dict[str, str]:
        """The names of the parameters and those of the published VPT."""
        return {"ctx": "image_encoder.VPT"} | published_layers("deep", "image_encoder", self.deep)


class VisionLanguagePrompts(nn.Module):
    """Independent prompts for both encoders: IVLP's, which PromptSRC regularises.

    Args:
        model: a CLIP, whose image encoder has tokens if `depth_vision` is not 0.
        classnames: C names.
        num_text, depth_text: context tokens and how many layers have their own.
        num_vision, depth_vision: the same of the image encoder; depth 0 leaves it unprompted.
        init: words that the first layer's context starts from, see `first_words`.
    """

    def __init__(
        self,
        model: Backbone,
        classnames: list[str],
        *,
        num_text: int,
        depth_text: int,
        num_vision: int,
        depth_vision: int,
        init: str,
    ) -> None:
        super().__init__()
        check_depth("PROMPT_DEPTH_TEXT", depth_text, len(model.text_blocks))
        start = first_words(model, num_text, init)
        print(f'Independent V-L design\nInitial text context: "{start.words}"')
        print(f"Number of context words (tokens) for Language prompting: {num_text}")
        vision_tokens = num_vision if depth_vision else 0
        print(f"Number of context words (tokens) for Vision prompting: {vision_tokens}")
        self.ctx = nn.Parameter(start.vectors)
        self.deep_text = random_layers(depth_text, num_text, start.vectors.shape[1])
        self.vision = None
        if depth_vision:
            self.vision = DeepVisionPrompts(model, num_tokens=num_vision, depth=depth_vision)
        self.slots = SentenceSlots(
            model, classnames, template=f"{start.words} {{}}.", num_slots=num_text
        )

    def forward(self) -> Prompts:
        """The prompts of the text encoder."""
        return self.slots(self.ctx, deep=self.deep_text)

    def vision_tokens(self) -> VisionTokens | None:
        """The prompts of the image encoder, if it has some."""
        return self.vision.vision_tokens() if self.vision is not None else None

    @property
    def published_names(self) -> dict[str, str]:
        """The names of the parameters and those of the published IVLP and PromptSRC."""
        names = {"ctx": "prompt_learner.ctx"}
        names |= published_layers("deep_text", "text_encoder", self.deep_text)
        if self.vision is not None:
            names |= {f"vision.{key}": name for key, name in self.vision.published_names.items()}
        return names
