"""A CLIP as everything else here sees it, whoever built it."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from promptkit.backbones.image_tokens import ImageTokens, image_tokens
from promptkit.backbones.sharing import why_not_shared
from promptkit.backbones.tokens import Tokenizer

AUTO, QUICK_GELU, GELU = "auto", "quick_gelu", "gelu"  # of MODEL.BACKBONE.ACTIVATION


@dataclass(frozen=True)
class ImageInput:
    """The images that an image encoder was trained on.

    Attributes:
        size: height and width in pixels.
        mean, std: of the channels.
        interpolation: how they were resized.
    """

    size: int
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)
    interpolation: str = "bicubic"


class Backbone(nn.Module):
    """Text encoder, image encoder, tokenizer and all facts of a CLIP.

    Args:
        model: OpenAI's module, or one of the same names: the text encoder's parts are its own or
            those of `model.text`, the image encoder is `model.visual`.
        tokenizer: of its text encoder.
        images: what its image encoder expects.
        activation: quick_gelu or gelu.

    Attributes:
        not_shared: why classes cannot share the tokens that their prompts begin with; "" if they
            can, exactly: `promptkit.encoders.text_encoder` then takes the fast path.
    """

    batch_first = True  # whether the text encoder's blocks take [C, L, D]; OpenAI's take [L, C, D]

    def __init__(
        self, model: nn.Module, *, tokenizer: Tokenizer, images: ImageInput, activation: str
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.images = model, tokenizer, images
        self.activation = activation
        self.not_shared = why_not_shared(self.text)

    def encode_image(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] to features [B, E], not normalised, by the model's own code."""
        raise NotImplementedError

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Token ids [C, L] to features [C, E], not normalised, by the model's own code."""
        raise NotImplementedError

    def halve(self) -> None:
        """Makes the weights half precision, but those of the norms, which stay fp32."""
        raise NotImplementedError

    # The text encoder -----------------------------------------------------------------------------

    @property
    def text(self) -> nn.Module:
        """The module with the parts of the text encoder."""
        return getattr(self.model, "text", self.model)

    @property
    def token_embedding(self) -> nn.Embedding:
        """Vectors [V, D] of the vocabulary."""
        return self.text.token_embedding

    @property
    def positional_embedding(self) -> Tensor:
        """What is added to the tokens, [L, D]."""
        return self.text.positional_embedding

    @property
    def text_blocks(self) -> nn.ModuleList:
        """Its layers."""
        return self.text.transformer.resblocks

    @property
    def context_length(self) -> int:
        """L, tokens of a sequence."""
        return self.tokenizer.context_length

    @property
    def text_width(self) -> int:
        """D, numbers in a token."""
        return self.token_embedding.weight.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights that multiply."""
        return self.text_blocks[0].mlp.c_fc.weight.dtype

    def project_text(self, tokens: Tensor) -> Tensor:
        """Tokens [..., D] after the last layer to the joint space, [..., E]."""
        tokens, projection = self.text.ln_final(tokens), self.text.text_projection
        if projection is None:
            return tokens
        if isinstance(projection, nn.Module):
            return projection(tokens)
        return tokens.to(self.dtype) @ projection

    @property
    def embed_dim(self) -> int:
        """E, numbers in a feature."""
        projection = self.text.text_projection
        if projection is None:
            return self.text_width
        return getattr(projection, "out_features", None) or projection.shape[1]

    # The image encoder ----------------------------------------------------------------------------

    @property
    def visual(self) -> nn.Module:
        """The module of the image encoder."""
        return self.model.visual

    @property
    def image_tokens(self) -> ImageTokens | None:
        """Where learned tokens can join the image's; None where it has none (a ResNet)."""
        return image_tokens(self.visual)

    # Both -----------------------------------------------------------------------------------------

    @property
    def logit_scale(self) -> Tensor:
        """The logarithm of what cosines are multiplied by, a scalar."""
        return self.model.logit_scale.reshape(())

    @property
    def logit_bias(self) -> Tensor | None:
        """What is added to logits for a sigmoid, a scalar; None where there is none."""
        bias = getattr(self.model, "logit_bias", None)
        return None if bias is None else bias.reshape(())

    def weights_hash(self) -> str:
        """sha256 over names and values of all tensors: the same for every file format of a model.

        An activation that is not OpenAI's makes another model of the same tensors.
        """
        digest = hashlib.sha256()
        if self.activation == GELU:
            digest.update(GELU.encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def check_input_size(self, size: tuple[int, int]) -> None:
        """Raises ValueError unless `INPUT.SIZE` is the resolution that it was trained at."""
        expected = self.images.size
        if tuple(size) != (expected, expected):
            raise ValueError(
                f"INPUT.SIZE must be the backbone's resolution, ({expected}, {expected}); got "
                f"{tuple(size)}. Set INPUT.SIZE in the trainer's config file."
            )
