"""The registry of heads."""

from typing import Any

from dassl.utils import Registry, check_availability

HEAD_REGISTRY = Registry("HEAD")


def build_head(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """Build the head registered as `name` with the given arguments.

    Raises:
        ValueError: nothing is registered under that name.
    """
    check_availability(name, HEAD_REGISTRY.registered_names())
    if verbose:
        print(f"Head: {name}")
    return HEAD_REGISTRY.get(name)(**kwargs)
