"""Opens a CLIP by OpenAI name, by path, or an embedded one: always fp32, frozen, on the CPU."""

import os

from torch import nn

from promptkit.backbones.activation import (
    KEY,
    activation_by_checksum,
    check_activation,
    chosen_activation,
)
from promptkit.backbones.backbone import GELU, QUICK_GELU
from promptkit.backbones.embedded import EMBEDDED, embedded
from promptkit.backbones.installed_clip import CLIP, ResidualAttentionBlock, clip
from promptkit.backbones.open_clip_names import PREFIX, OpenClipName
from promptkit.backbones.weights_file import build_clip, read_weights
from promptkit.did_you_mean import did_you_mean
from promptkit.files import checksum


def load_clip(name: str, activation: str = "auto") -> CLIP:
    """Loads CLIP for `MODEL.BACKBONE.NAME` and `MODEL.BACKBONE.ACTIVATION`.

    Args:
        name: an OpenAI name ("RN50" ... "ViT-L/14@336px"; the `clip` package downloads it to
            ~/.cache/clip and checks its checksum), a path to a local file (JIT archive or state
            dict, as OpenAI ships them), or a key of `EMBEDDED`.
        activation: quick_gelu, gelu, or auto where the weights say which. Plain state dicts do
            not: open_clip's models with the one or the other have the same names and shapes.

    Raises:
        ValueError: the name is unknown, its download failed, the file holds no whole CLIP, or its
            activation is not known, or another than the one given.
        FileNotFoundError: the embedded weights are missing.
    """
    check_activation(activation)
    if name in clip.available_models():
        chosen = chosen_activation(activation, QUICK_GELU, name)
        model = _download(name)
    else:
        path = _local_path(name)
        state, found = read_weights(path)
        chosen = chosen_activation(activation, found or activation_by_checksum(path), path)
        model = build_clip(state, path)
    if chosen == GELU:
        for block in _blocks(model):
            block.mlp.gelu = nn.GELU()
    return model.float().eval().requires_grad_(False)


def _blocks(model: CLIP) -> list[ResidualAttentionBlock]:
    return [module for module in model.modules() if isinstance(module, ResidualAttentionBlock)]


def backbone_checksum(name: str) -> str | None:
    """sha256 of a local weights file; None for a download, which is checked there."""
    return next(map(checksum, local_weights(name)), None)


def local_weights(name: str) -> list[str]:
    """The path of a local weights file; empty for OpenAI's names and those of users' trainers."""
    if name.startswith(PREFIX):
        return [path] if (path := OpenClipName.parse(name).path) else []
    is_local = name in EMBEDDED or os.path.isfile(os.path.expanduser(name))
    return [_local_path(name)] if is_local and name not in clip.available_models() else []


def _download(name: str) -> CLIP:
    try:
        return clip.load(name, device="cpu")[0]
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"The weights of {name} could not be had ({error}). They are downloaded to "
            "~/.cache/clip and checked there. Try again with a connection, delete a damaged file, "
            "or set MODEL.BACKBONE.NAME to the path of a weights file, or to an embedded one, "
            f"{' or '.join(EMBEDDED)}."
        ) from error


def _local_path(name: str) -> str:
    if name in EMBEDDED:
        weights = embedded(name)
        if weights is None:
            raise ValueError(
                f"MODEL.BACKBONE.NAME {name}: these weights are part of a clone of the project "
                f"and are not installed with promptkit. Give the path of "
                f"{EMBEDDED[name]}/{EMBEDDED[name]}_clip.pt in a clone, and {KEY} {QUICK_GELU}."
            )
        return weights.weights_path()
    path = os.path.expanduser(name)
    if os.path.isfile(path):
        return path
    known = [*EMBEDDED, *clip.available_models()]
    hint = did_you_mean(name, known, cutoff=0.4)
    raise ValueError(
        f"MODEL.BACKBONE.NAME must be one of {', '.join(known)}, one of open_clip's "
        f"(open_clip:<model>@<weights>), or the path of a weights file; got '{name}'.{hint}"
    )
