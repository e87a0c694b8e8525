"""The registry of backbones."""

from typing import Any

from dassl.utils import Registry, build_registered

BACKBONE_REGISTRY = Registry("BACKBONE")


def build_backbone(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """Build the backbone registered as `name` with the given arguments.

    Raises:
        ValueError: nothing is registered under that name.
    """
    return build_registered(
        BACKBONE_REGISTRY, name, announce="Backbone" if verbose else "", **kwargs
    )
