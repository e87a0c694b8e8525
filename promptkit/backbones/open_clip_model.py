"""A model of open_clip behind the face of a backbone."""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from promptkit.backbones.backbone import AUTO, QUICK_GELU, Backbone, ImageInput
from promptkit.backbones.open_clip_names import PREFIX, OpenClipName, library
from promptkit.backbones.tokens import Tokenizer
from promptkit.backbones.weights_file import stated_activation

NORMS = nn.LayerNorm, nn.modules.batchnorm._BatchNorm
KEPT = "logit_scale", "logit_bias"  # parameters that stay fp32, as norms and embeddings do


class OpenClipBackbone(Backbone):
    """A CLIP of open_clip's code.

    Args:
        model: as open_clip builds it.
        tokenizer: open_clip's.
        images: what its image encoder expects.
        activation: quick_gelu or gelu.

    Raises:
        ValueError: tokenizer and text encoder do not fit.
    """

    def __init__(
        self, model: nn.Module, *, tokenizer: Any, images: ImageInput, activation: str
    ) -> None:
        super().__init__(
            model, tokenizer=tokenizer_of(tokenizer), images=images, activation=activation
        )
        pooling = getattr(self.text, "pool_type", getattr(self.text, "text_pool_type", ""))
        end = getattr(self.text, "eos_id", getattr(self.text, "text_eos_id", None))
        if pooling == "eos" and end != self.tokenizer.end:
            raise ValueError(
                f"The text encoder reads its feature at the token {end}, and its tokenizer ends "
                f"with {self.tokenizer.end}: they do not belong together."
            )

    def encode_image(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] to features [B, E], not normalised, by open_clip's code."""
        return self.model.encode_image(images.to(self.dtype), normalize=False)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Token ids [C, L] to features [C, E], not normalised, by open_clip's code."""
        return self.model.encode_text(tokens, normalize=False)

    def halve(self) -> None:
        """As OpenAI's; of timm's image encoders all of it, as open_clip does."""
        norms = library().transformer
        for module in self.model.modules():
            if type(module) is norms.LayerNorm:
                module.__class__ = norms.LayerNormFp32
            if isinstance(module, (*NORMS, nn.Embedding)):
                continue
            for name, parameter in module.named_parameters(recurse=False):
                if name not in KEPT:
                    parameter.data = parameter.data.half()
        if hasattr(self.visual, "trunk"):
            self.visual.trunk.half()


def open_clip_backbone(name: str, activation: str) -> OpenClipBackbone:
    """Opens `open_clip:<model>@<weights>`, frozen, fp32, on the CPU.

    Args:
        name: see `OpenClipName`; weights under a tag are downloaded by open_clip, into its cache.
        activation: quick_gelu or gelu where the user says it; else auto.

    Raises:
        ValueError: open_clip is not installed, the name or the activation is not right, or model or
            tokenizer could not be had.
    """
    chosen = OpenClipName.parse(name)
    if chosen.why_not:
        raise ValueError(
            f"{name} cannot be tuned here: {chosen.why_not}. python -m promptkit.backbones lists "
            "what can."
        )
    own = _activation(chosen, name, activation)
    weights = chosen.path or chosen.tag
    with explained(
        f"The weights {weights} of {PREFIX}{chosen.model}",
        "open_clip downloads what is under a tag; try again with a connection, or give the path of "
        "a file that fits the model.",
    ):
        model = library().create_model(
            chosen.model, pretrained=weights, force_quick_gelu=own == QUICK_GELU
        )
    with explained(
        f"The tokenizer of {PREFIX}{chosen.model}",
        "It comes with transformers (pip install transformers sentencepiece), which downloads its "
        "vocabulary.",
    ):
        tokenizer = library().get_tokenizer(chosen.model)
    frozen = model.float().eval().requires_grad_(False)
    print(f"Weights of {PREFIX}{chosen.model}: {weights}, {own}")
    return OpenClipBackbone(frozen, tokenizer=tokenizer, images=chosen.images, activation=own)


@contextlib.contextmanager
def explained(what: str, advice: str) -> Iterator[None]:
    """Makes any error of the library, which are found in many places, a ValueError for people."""
    try:
        yield
    except Exception as error:
        text = next(iter(str(error).splitlines()), "")
        raise ValueError(
            f"{what} could not be had ({type(error).__name__}: {text}). {advice}"
        ) from error


def _activation(chosen: OpenClipName, name: str, given: str) -> str:
    """That of the weights; of a file that which it, or the user, says, or else the model's.

    Raises:
        ValueError: these differ, but for a file that is said to have QuickGELU.
    """
    own, said = chosen.activation, {given} - {AUTO}
    if chosen.path:
        said |= {stated_activation(chosen.path)} - {None}
        own = QUICK_GELU if said == {QUICK_GELU} else own
    if said - {own}:
        raise ValueError(
            f"{name} has {own}, and MODEL.BACKBONE.ACTIVATION or the file says "
            f"{', '.join(sorted(said))}. Leave the key out, and name the model that the weights "
            "belong to, with or without -quickgelu."
        )
    return own


def tokenizer_of(theirs: Any) -> Tokenizer:
    """open_clip's tokenizer as ours: its own byte pairs, or one of transformers."""
    if hasattr(theirs, "sot_token_id"):
        return Tokenizer(
            theirs.encode,
            theirs.decoder.__getitem__,
            context_length=theirs.context_length,
            start=(theirs.sot_token_id,),
            end=theirs.eot_token_id,
        )
    inner = theirs.tokenizer

    def encode(text: str) -> list[int]:
        return inner(theirs.clean_fn(text), add_special_tokens=False).input_ids

    whole, bare = theirs(["a"])[0].tolist(), encode("a")
    start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return Tokenizer(
        encode,
        inner.convert_ids_to_tokens,
        context_length=theirs.context_length,
        start=tuple(whole[:start]),
        end=whole[start + len(bare)],
        pad=whole[-1],
    )
