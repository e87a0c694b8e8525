"""The registry of backbones."""

from typing import Any

from dassl.utils import Registry, check_availability

BACKBONE_REGISTRY = Registry("BACKBONE")


def build_backbone(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """Build the backbone registered as `name` with the given arguments.

    Raises:
        ValueError: nothing is registered under that name.
    """
    check_availability(name, BACKBONE_REGISTRY.registered_names())
    if verbose:
        print(f"Backbone: {name}")
    return BACKBONE_REGISTRY.get(name)(**kwargs)
