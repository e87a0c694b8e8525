"""The registry of networks."""

from typing import Any

from dassl.utils import Registry, check_availability

NETWORK_REGISTRY = Registry("NETWORK")


def build_network(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """Build the network registered as `name` with the given arguments.

    Raises:
        ValueError: nothing is registered under that name.
    """
    check_availability(name, NETWORK_REGISTRY.registered_names())
    if verbose:
        print(f"Network: {name}")
    return NETWORK_REGISTRY.get(name)(**kwargs)
