"""The weights that come with a clone of the project, by `MODEL.BACKBONE.NAME`."""

from types import ModuleType

from promptkit.clone import from_clone

EMBEDDED = {"Woven": "woven", "Pocket": "pocket"}  # to the package whose module `weights` has them


def embedded(name: str) -> ModuleType | None:
    """Their module, which has `weights_path` and `SHA256`; None where promptkit is installed."""
    return from_clone(f"{EMBEDDED[name]}.weights")
