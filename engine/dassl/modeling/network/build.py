"""The registry of networks."""

from typing import Any

from dassl.utils import Registry, build_registered

NETWORK_REGISTRY = Registry("NETWORK")


def build_network(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """Build the network registered as `name` with the given arguments.

    Raises:
        ValueError: nothing is registered under that name.
    """
    return build_registered(NETWORK_REGISTRY, name, announce="Network" if verbose else "", **kwargs)
