"""MMRL's representation tokens: one set of vectors, mapped into both encoders' middle layers."""

from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.encoders.image_encoder import VisionTokens
from promptkit.encoders.inserted import Inserted
from promptkit.prompts.initial_context import random_vectors


class RepresentationTokens(nn.Module):
    """Vectors R [K, D_r] that both encoders share; subclasses say how they are mapped and read.

    Args:
        num_tokens: K.
        width: D_r.
        layers: of both encoders that get tokens, counted from 0.
        share: of the new tokens in what replaces the old ones, see `Inserted`.
    """

    of_the_image_encoder: tuple[str, ...] = ()  # parameters that the published code keeps there

    def __init__(self, *, num_tokens: int, width: int, layers: range, share: float = 1.0) -> None:
        super().__init__()
        self.layers, self.share = layers, share
        self.compound_rep_tokens = nn.Parameter(random_vectors((num_tokens, width)))

    def in_images(self) -> tuple[Tensor, ...]:
        """R mapped for each layer of the image encoder, [K, D']."""
        raise NotImplementedError

    def in_text(self) -> tuple[Tensor, ...]:
        """R mapped for each layer of the text encoder, [K, D]."""
        raise NotImplementedError

    def head(self, model: Backbone) -> Tensor:
        """What projects the mean of an image's representation tokens, [W, E]."""
        raise NotImplementedError

    def vision_tokens(self) -> VisionTokens:
        """What comes into the image encoder."""
        return VisionTokens(inserted=Inserted(self.layers.start, self.in_images(), self.share))

    def text_tokens(self) -> Inserted:
        """What comes into the text encoder."""
        return Inserted(self.layers.start, self.in_text(), self.share)

    @property
    def published_names(self) -> dict[str, str]:
        """The names of the parameters and the published ones."""
        return {
            name: ("image_encoder." if name in self.of_the_image_encoder
                   else "representation_learner.") + name
            for name, _ in self.named_parameters()
        }  # fmt: skip
