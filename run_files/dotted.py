"""Nested objects by dotted keys, as a command line names the keys of a config."""

from collections.abc import Mapping
from typing import Any


def flatten(tree: Mapping[str, Any], prefix: str = "", *, keep_empty: bool = False) -> dict:
    """{"A": {"B": 1}} to {"A.B": 1}; an empty object has no key, or with `keep_empty` its own."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and (value or not keep_empty):
            flat |= flatten(value, f"{prefix}{key}.", keep_empty=keep_empty)
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The way back of `flatten`."""
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        *parents, name = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return tree


def value_at(tree: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key; None where there is none."""
    value: Any = tree
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
