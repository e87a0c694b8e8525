"""The registry of heads."""

from typing import Any

from dassl.utils import Registry, build_registered

HEAD_REGISTRY = Registry("HEAD")


def build_head(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """Build the head registered as `name` with the given arguments.

    Raises:
        ValueError: nothing is registered under that name.
    """
    return build_registered(HEAD_REGISTRY, name, announce="Head" if verbose else "", **kwargs)
