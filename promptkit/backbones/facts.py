"""What is known of a backbone by its name, before its weights are opened."""

import os
from dataclasses import dataclass

from torch import Tensor

from promptkit.backbones.backbone import ImageInput
from promptkit.backbones.installed_clip import clip
from promptkit.backbones.loading import local_weights
from promptkit.backbones.open_clip_names import PREFIX, OpenClipName, library
from promptkit.backbones.openai_clip import ARCHITECTURES
from promptkit.backbones.weights_file import read_weights

OPENAI_CACHE = "~/.cache/clip"


@dataclass(frozen=True)
class Facts:
    """Of one name.

    Attributes:
        name: for MODEL.BACKBONE.NAME.
        images: what the image encoder expects.
        text_width, embed_dim: numbers in a text token, and in a feature.
        image_encoder: what it is, in a word.
        has_image_tokens: whether learned tokens can join those of an image.
        shares: whether classes share what prompts begin with: the fast text path, exactly.
        in_cache: whether its weights need no download.
        why_not: why it cannot be opened; "" if it can.
    """

    name: str
    images: ImageInput
    text_width: int
    embed_dim: int
    image_encoder: str
    has_image_tokens: bool
    shares: bool
    in_cache: bool
    why_not: str = ""


def facts_of(name: str) -> Facts | None:
    """Of OpenAI's and open_clip's names; None of local files and of what is unknown here.

    Raises:
        ValueError: open_clip is asked for and not installed, or has no such model or weights.
    """
    if name.startswith(PREFIX):
        return _of_open_clip(name)
    return _of_openai(name) if name in ARCHITECTURES else None


def image_input(name: str, size: int | None) -> ImageInput | None:
    """What the image encoder of a backbone expects; None where the name says nothing.

    Args:
        name: for MODEL.BACKBONE.NAME. A local weights file is as OpenAI's, but for the resolution.
        size: that is set anyway, so that a weights file need not be read for it.

    Raises:
        ValueError: see `facts_of`, or the weights file cannot be read.
    """
    known = facts_of(name)
    if known:
        return known.images
    files = local_weights(name)
    return ImageInput(size or _resolution(read_weights(files[0])[0])) if files else None


def _resolution(state: dict[str, Tensor]) -> int:
    """Of OpenAI's image encoders, from their tensors."""
    vision = "visual.positional_embedding" in state
    key = "visual.positional_embedding" if vision else "visual.attnpool.positional_embedding"
    if key not in state:  # opening says what is wrong with the file
        return 224
    cell = state["visual.conv1.weight"].shape[-1] if vision else 32  # pixels
    return cell * round((len(state[key]) - 1) ** 0.5)


def _of_openai(name: str) -> Facts:
    embed_dim, size, layers, width, *_, text_width, _, _ = ARCHITECTURES[name]
    transformer = isinstance(layers, int)
    return Facts(
        name,
        ImageInput(size),
        text_width,
        embed_dim,
        f"a vision transformer ({width})" if transformer else "a ResNet",
        has_image_tokens=transformer,
        shares=True,
        in_cache=_downloaded(clip.clip._MODELS[name]),
    )


def _of_open_clip(name: str) -> Facts:
    chosen = OpenClipName.parse(name)
    text, vision = chosen.config["text_cfg"], chosen.config["vision_cfg"]
    width = vision.get("width") if chosen.image_encoder == "a vision transformer" else None
    return Facts(
        name,
        chosen.images,
        text.get("width", 0),
        chosen.config["embed_dim"],
        chosen.image_encoder + (f" ({width})" if width else ""),
        has_image_tokens=chosen.has_image_tokens,
        shares=chosen.shares,
        in_cache=bool(chosen.path) or _in_cache(chosen),
        why_not=chosen.why_not,
    )


def _in_cache(chosen: OpenClipName) -> bool:
    from huggingface_hub import try_to_load_from_cache  # comes with open_clip

    settings = library().get_pretrained_cfg(chosen.model, chosen.tag)
    if not settings.get("hf_hub"):
        return _downloaded(settings.get("url", ""))
    repository, _, file = settings["hf_hub"].rpartition("/")
    names = library().pretrained
    names = [file] if file else [names.HF_SAFE_WEIGHTS_NAME, names.HF_WEIGHTS_NAME]
    names += [os.path.splitext(name)[0] + ".safetensors" for name in names]
    return any(isinstance(try_to_load_from_cache(repository, name), str) for name in names)


def _downloaded(url: str) -> bool:
    """Whether a file is where the packages clip and open_clip put it."""
    return bool(url) and os.path.isfile(
        os.path.join(os.path.expanduser(OPENAI_CACHE), os.path.basename(url))
    )
