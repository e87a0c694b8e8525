"""The state dict in what a weights file or a checkpoint holds, out of its usual wrappers."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIX = "module."  # what nn.DataParallel puts before each key


def state_dict_of(content: Any, path: str) -> dict[str, Tensor]:
    """Tensors by name, without "module." before the names.

    Args:
        content: what was read: a state dict, by itself or under one of WRAPPERS.
        path: of the file, for messages, which begin with it.

    Raises:
        ValueError: there is no state dict in it.
    """
    weights = content
    while isinstance(weights, Mapping):
        inner = next((key for key in WRAPPERS if isinstance(weights.get(key), Mapping)), None)
        if inner is None:
            break
        weights = weights[inner]
    entries = list(weights.items()) if isinstance(weights, Mapping) else []
    wrong = [key for key, value in entries if not isinstance(value, Tensor)]
    if not entries or wrong:
        entry = f"{wrong[0]!r}, {_describe(weights[wrong[0]])}, in " if wrong else ""
        raise ValueError(
            f"{path} must hold a state dict, names with a tensor each, by itself or under one of "
            f"the keys {', '.join(WRAPPERS)}; got {entry}{_describe(content)}. Give the file that "
            "training saved."
        )
    return {str(key).removeprefix(PREFIX): value for key, value in entries}


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a dictionary with the keys {', '.join(map(str, list(value)[:8])) or '(none)'}"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "nothing (None)" if value is None else f"the {type(value).__name__} {str(value)[:40]}"
