"""Files with a CLIP in them: TorchScript archives, and state dicts in the usual wrappers.

A state dict does not show its model's activation. A file may state it, beside the tensors:
torch.save({"state_dict": ..., "activation": "quick_gelu"}, path).
"""

import importlib
import re
import warnings
import zipfile

import torch
from safetensors.torch import load_file
from torch import Tensor

from promptkit.backbones.installed_clip import CLIP, build_model
from promptkit.backbones.state_dicts import state_dict_of

QUICK_GELU, GELU = "quick_gelu", "gelu"
# The class of the activation in the code of an archive.
CLASSES = {"QuickGELU": QUICK_GELU, "GELU": GELU}
WANTED = {"token_embedding.weight", "text_projection", "logit_scale"}
# Widths of open_clip's ViT-H, ViT-g, ViT-bigG and ViT-e: their heads are not 64 wide, as OpenAI's
# are, and no tensor shows it.
OTHER_HEADS = {1280: "ViT-H", 1408: "ViT-g", 1664: "ViT-bigG", 1792: "ViT-e"}


def read_weights(path: str) -> tuple[dict[str, Tensor], str | None]:
    """The tensors of a CLIP, and its activation where the file says it; archives do.

    Raises:
        ValueError: the file is of another kind, damaged, or no CLIP, or says what is unknown.
    """
    try:
        if is_jit_archive(path):
            with warnings.catch_warnings():  # deprecated, but OpenAI's files are of this kind
                warnings.simplefilter("ignore", FutureWarning)
                state = dict(torch.jit.load(path, map_location="cpu").state_dict())
            content = {"state_dict": state, "activation": _activation_in_code(path)}
        elif path.endswith(".safetensors"):
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(f"The weights file {path} cannot be read: {_why(path, error)}") from error
    state = state_dict_of(content, f"The weights file {path}")
    missing = WANTED - set(state)
    if missing:
        raise ValueError(_no_clip(path, f"lacks {', '.join(sorted(missing))}"))
    activation = content.get("activation")
    if activation not in (None, QUICK_GELU, GELU):
        raise ValueError(
            f"The weights file {path} has the activation {activation!r}; it must be {QUICK_GELU} "
            f"or {GELU}."
        )
    return state, activation


def build_clip(state: dict[str, Tensor], path: str) -> CLIP:
    """A CLIP with the tensors of the weights file `path`.

    Raises:
        ValueError: they are not those of a whole CLIP, or of one with other heads than OpenAI's.
    """
    width = len(state.get("visual.class_embedding", ()))
    if width in OTHER_HEADS:
        raise ValueError(
            f"The weights file {path} is of the size of open_clip's {OTHER_HEADS[width]} (width "
            f"{width}), whose attention heads are of another size than OpenAI's: all features "
            "would be wrong. Give a model of OpenAI's architecture, such as ViT-B or ViT-L."
        )
    try:
        model = build_model(dict(state)).float()  # in half precision at first, hence once more:
        sizes = ("input_resolution", "context_length", "vocab_size")
        model.load_state_dict({key: value for key, value in state.items() if key not in sizes})
    except Exception as error:  # what is missing or does not fit is found in many places
        text = next(iter(str(error).splitlines()), "")
        raise ValueError(_no_clip(path, f"fails with {type(error).__name__}: {text}")) from error
    return model


def _no_clip(path: str, reason: str) -> str:
    return (
        f"The weights file {path} {reason}. It must be a whole CLIP with the names that OpenAI's "
        "have: a TorchScript archive or a state dict of plain tensors."
    )


def _why(path: str, error: Exception) -> str:
    """What is wrong, without torch's advice, which is about arguments of its own."""
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return (
            f"it asks for the Python object {refused[1]}, which could run any code. Save a state "
            "dict of plain tensors."
        )
    try:  # the project's engine knows files of other kinds by their beginning
        kind = importlib.import_module("dassl.utils.file_kinds").what_it_is(path)
    except ImportError:  # upstream Dassl does not
        kind = None
    if kind and not is_jit_archive(path):
        return f"it is {kind}."
    return (
        f"{type(error).__name__}. It is cut short, damaged or of another kind: delete it and fetch "
        "it again."
    )


def is_jit_archive(path: str) -> bool:
    """Whether a file is a zip with TorchScript code in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _activation_in_code(path: str) -> str | None:
    """That of the one class of activation which an archive's code defines."""
    found = set()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if "/code/" in name and name.endswith(".py"):
                code = archive.read(name).decode(errors="replace")
                found |= set(re.findall(r"^class (\w+)\(", code, re.M)) & set(CLASSES)
    return CLASSES[found.pop()] if len(found) == 1 else None
