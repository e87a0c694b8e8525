"""The state dict in what a file holds, out of the wrappers in which weights are commonly saved."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch

WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIX = "module."  # what DataParallel puts before each key
_EXTRA = "_extra_state"  # end of a key under which a module may keep whatever it likes


def state_dict_of(content: Any, path: str) -> "OrderedDict[str, torch.Tensor]":
    """Return the tensors by name that were read from `path`, without "module." before the names.

    Raises:
        ValueError: there is no state dict in it.
    """
    weights = content
    while isinstance(weights, Mapping):
        inner = next((key for key in WRAPPERS if isinstance(weights.get(key), Mapping)), None)
        if inner is None:
            break
        weights = weights[inner]
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(_message(path, describe(content)))
    for key, value in weights.items():
        is_entry = isinstance(value, torch.Tensor) or str(key).endswith(_EXTRA)
        if not isinstance(key, str) or not is_entry:
            raise ValueError(_message(path, f"{key!r}, {describe(value)}, in {describe(content)}"))
    return strip_module(weights)


def strip_module(state_dict: Mapping[str, Any]) -> "OrderedDict[str, Any]":
    """Return the state dict with a leading "module." removed from its keys."""
    return OrderedDict((key.removeprefix(_PREFIX), value) for key, value in state_dict.items())


def describe(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, Mapping):
        return f"a dictionary with the keys {', '.join(map(str, list(value)[:8])) or '(none)'}"
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "nothing (None)" if value is None else f"the {type(value).__name__} {str(value)[:40]}"


def _message(path: str, found: str) -> str:
    return (
        f'"{path}" must hold a state dict, names with a tensor each, by itself or under one of the '
        f"keys {', '.join(WRAPPERS)}; got {found}. Give the file that training saved."
    )
