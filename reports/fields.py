"""Fields of a JSON object, each checked: an error names the field, its value and what it may be."""

from __future__ import annotations

import math

LARGEST = 2**53  # an integer that a float holds


def field(data: dict, name: str, kind: type):
    """A field that must be there, of a type."""
    if name not in data:
        raise ValueError(f"{name} is missing")
    value = data[name]
    # bool is a subclass of int, but `true` is no seed.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} must be of type {kind.__name__}; got {value!r}")
    if kind is int and abs(value) > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST}; it has {len(str(value))} digits")
    if kind is str and value != value.encode("utf-8", "ignore").decode():
        raise ValueError(f"{name} must be text in UTF-8; got {value!r}")
    return value


def text(data: dict, name: str) -> str:
    """A text, "" where there is none."""
    return "" if data.get(name) is None else field(data, name, str)


def section(data: dict, name: str) -> dict:
    """An object, {} where there is none."""
    return {} if data.get(name) is None else field(data, name, dict)


def items(data: dict, name: str) -> list:
    """A list, [] where there is none."""
    return [] if data.get(name) is None else field(data, name, list)


def count(data: dict, name: str) -> int | None:
    """A number of things, None where it is not known."""
    if data.get(name) is None:
        return None
    value = field(data, name, int)
    if value < 0:
        raise ValueError(f"{name} must be 0 or more; got {value}")
    return value


def seconds(data: dict, name: str) -> float | None:
    """A time; None for an evaluation, or a trainer that does not measure it."""
    value = data.get(name)
    if value is None:
        return None
    if not is_finite(value) or value < 0:
        raise ValueError(f"{name} must be a number of seconds; got {value!r}")
    return float(value)


def is_finite(value: object) -> bool:
    """Whether it is a number: Python's JSON reader takes NaN and Infinity; a table must not."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) <= LARGEST and math.isfinite(value)


def are_counts(value: object) -> bool:
    """Whether it is a list of numbers of things."""
    return isinstance(value, list) and all(type(x) is int and 0 <= x <= LARGEST for x in value)


def flatten(tree: dict, prefix: str = "") -> dict:
    """{"A": {"B": 1}} to {"A.B": 1}."""
    flat = {}
    for key, value in tree.items():
        flat |= (
            flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat
