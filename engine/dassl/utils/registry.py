"""Named registries of classes and functions."""

from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from typing import Any

__all__ = ["Registry", "UnknownNameError", "nearest_name"]


class UnknownNameError(KeyError):
    """A KeyError whose text is printed as written (a plain KeyError prints it quoted)."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the entry of `known` most like `name`, ignoring case; None if nothing is known."""
    best, best_ratio = None, -1.0
    for candidate in known:
        ratio = SequenceMatcher(None, name.lower(), candidate.lower()).ratio()
        if ratio >= best_ratio:
            best, best_ratio = candidate, ratio
    return best


def _module_of(obj: Any) -> str:
    return getattr(obj, "__module__", type(obj).__name__)


class Registry:
    """A table from names to classes or functions.

    Use `@REGISTRY.register()` above a definition, or `REGISTRY.register(obj)` after it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._objects: dict[str, Any] = {}

    def register(self, obj: Any = None, force: bool = False) -> Callable[[Any], Any] | None:
        """Register under `obj.__name__`; without `obj`, return a decorator that does so.

        Raises:
            KeyError: the name is taken and `force` is False.
        """
        if obj is not None:
            self._add(obj, force)
            return None

        def decorate(target: Any) -> Any:
            self._add(target, force)
            return target

        return decorate

    def get(self, name: str) -> Any:
        """Return the object registered as `name`.

        Raises:
            KeyError: nothing has that name; the text names the nearest one.
        """
        if name in self._objects:
            return self._objects[name]
        message = f'Object name "{name}" does not exist in "{self._name}" registry.'
        nearest = nearest_name(str(name), self._objects)
        if nearest is None:
            message += " The registry is empty: import the module that defines it first."
        else:
            message += f' Did you mean "{nearest}"? Known: {", ".join(self._objects)}'
        raise UnknownNameError(message)

    def registered_names(self) -> list[str]:
        """Return all names, in order of registration."""
        return list(self._objects)

    def _add(self, obj: Any, force: bool) -> None:
        name = obj.__name__
        if name in self._objects and not force:
            raise UnknownNameError(
                f'An object named "{name}" was already registered in "{self._name}" registry, by '
                f"{_module_of(self._objects[name])}. Rename the one in {_module_of(obj)}, and what "
                "refers to it: NAME in the settings, and their node if it has one."
            )
        self._objects[name] = obj
