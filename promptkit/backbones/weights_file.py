"""Files with a CLIP in them: TorchScript archives, and state dicts in the usual wrappers.

A state dict does not show its model's activation. A file may state it, beside the tensors:
torch.save({"state_dict": ..., "activation": "quick_gelu"}, path), or the metadata of safetensors.
"""

import importlib
import re
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from promptkit.backbones import hugging_face, torchscript
from promptkit.backbones.activation import activation_in_code, stated
from promptkit.backbones.installed_clip import CLIP, build_model
from promptkit.backbones.state_dicts import state_dict_of

WANTED = {"token_embedding.weight", "text_projection", "logit_scale"}
# Widths of open_clip's ViT-H, ViT-g, ViT-bigG and ViT-e: their heads are not 64 wide, as OpenAI's
# are, and no tensor shows it.
OTHER_HEADS = {1280: "ViT-H", 1408: "ViT-g", 1664: "ViT-bigG", 1792: "ViT-e"}


def read_weights(path: str) -> tuple[dict[str, Tensor], str | None]:
    """The tensors of a CLIP, and its activation where the file says it; archives do.

    Raises:
        ValueError: the file is of another kind, damaged, or no CLIP, or says what is unknown.
    """
    content = _content(path)
    state = state_dict_of(content, f"The weights file {path}")
    activation = stated(content, path)
    if hugging_face.is_clip(state):
        state, activation = hugging_face.as_openai(state, path), hugging_face.activation(path)
    missing = WANTED - set(state)
    if missing:
        raise ValueError(_no_clip(path, f"lacks {', '.join(sorted(missing))}"))
    return state, activation


def stated_activation(path: str) -> str | None:
    """What a weights file says of its activation; None where it does not.

    Raises:
        ValueError: the file is of another kind, or damaged, or says what is unknown.
    """
    return stated(_content(path), path)


def _content(path: str) -> Any:
    """What is in a file: tensors by name, or a dictionary that holds them and more."""
    try:
        if torchscript.is_archive(path):
            state = torchscript.read_tensors(path)
            return {"state_dict": state, "activation": activation_in_code(path)}
        if path.endswith(".safetensors"):
            with safe_open(path, "pt") as file:
                said = (file.metadata() or {}).get("activation")
            return {"state_dict": load_file(path), "activation": said}
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(f"The weights file {path} cannot be read: {_why(path, error)}") from error


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
            "would be wrong. Name its architecture: MODEL.BACKBONE.NAME open_clip:<model>@<path>."
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
        "have, or Hugging Face's CLIPModel: a TorchScript archive or a state dict of plain "
        "tensors. Another architecture of open_clip's is named: open_clip:<model>@<path>."
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
    if kind and not torchscript.is_archive(path):
        return f"it is {kind}."
    return (
        f"{type(error).__name__}. It is cut short, damaged or of another kind: delete it and fetch "
        "it again."
    )
