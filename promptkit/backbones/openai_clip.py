"""OpenAI's CLIP behind the face of a backbone."""

from torch import Tensor, nn

from promptkit.backbones.backbone import GELU, QUICK_GELU, Backbone, ImageInput
from promptkit.backbones.installed_clip import CLIP, convert_weights
from promptkit.backbones.tokens import CLIP_TOKENIZER

# Arguments of the modules under OpenAI's names: joint space, resolution, image layers, image width,
# patch, context length, vocabulary, text width, text heads, text layers.
ARCHITECTURES = {
    "RN50": (1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 8, 12),
    "RN101": (512, 224, (3, 4, 23, 3), 64, None, 77, 49408, 512, 8, 12),
    "RN50x4": (640, 288, (4, 6, 10, 6), 80, None, 77, 49408, 640, 10, 12),
    "RN50x16": (768, 384, (6, 8, 18, 8), 96, None, 77, 49408, 768, 12, 12),
    "RN50x64": (1024, 448, (3, 15, 36, 10), 128, None, 77, 49408, 1024, 16, 12),
    "ViT-B/32": (512, 224, 12, 768, 32, 77, 49408, 512, 8, 12),
    "ViT-B/16": (512, 224, 12, 768, 16, 77, 49408, 512, 8, 12),
    "ViT-L/14": (768, 224, 24, 1024, 14, 77, 49408, 768, 12, 12),
    "ViT-L/14@336px": (768, 336, 24, 1024, 14, 77, 49408, 768, 12, 12),
}


class OpenAIBackbone(Backbone):
    """A CLIP of OpenAI's code."""

    batch_first = False

    def __init__(self, model: CLIP) -> None:
        super().__init__(
            model,
            tokenizer=CLIP_TOKENIZER,
            images=ImageInput(model.visual.input_resolution),
            activation=activation_of(model),
        )

    def encode_image(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] to features [B, E], not normalised, by OpenAI's code."""
        return self.model.encode_image(images)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Token ids [C, 77] to features [C, E], not normalised, by OpenAI's code."""
        return self.model.encode_text(tokens)

    def halve(self) -> None:
        """As the published code does."""
        convert_weights(self.model)


def activation_of(model: CLIP) -> str:
    """That of its text encoder; a vision transformer has the same."""
    own = model.transformer.resblocks[0].mlp.gelu
    return GELU if isinstance(own, nn.GELU) else QUICK_GELU


def random_clip(
    name: str, *, image_layers: int | None = None, text_layers: int | None = None
) -> CLIP:
    """A CLIP with random weights, of the architecture under an OpenAI name.

    Args:
        name: a key of ARCHITECTURES.
        image_layers, text_layers: in place of its own numbers; a ResNet then has a layer a stage.
    """
    sizes = list(ARCHITECTURES[name])
    if image_layers is not None:
        sizes[2] = image_layers if isinstance(sizes[2], int) else (1, 1, 1, 1)
    if text_layers is not None:
        sizes[9] = text_layers
    return CLIP(*sizes)
