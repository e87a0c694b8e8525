"""Methods over other methods: they add to whatever another one learns.

The trainer of such a run is of a class made for it, `(method, other)`: what the method does not
define is the other's, and its `super()` is the other. The other's options stand under its own name,
`TRAINER.<OTHER>`, and are `options`; the method's own are `terms`.
"""

from dataclasses import fields
from functools import cache
from typing import Any, ClassVar

from yacs.config import CfgNode

from promptkit.config import PromptConfig, key_of, read_options
from promptkit.registry import trainer_class


class OverAnother:
    """The part of a trainer that stands over another; the first of its bases.

    Attributes:
        other_option: the option that says which one.
        others: its values, and the registered name of each; "" where there is none, and `options`
            are the method's own.
        other: the class that it stands over in this run.
        unread: options that the other's node has for both.
        terms: the method's own options, checked.
    """

    other_option: ClassVar[str]
    others: ClassVar[dict[str, str]]
    other: ClassVar[type | None] = None
    unread: ClassVar[tuple[str, ...]] = tuple(field.name for field in fields(PromptConfig))
    terms: Any

    def __new__(cls, cfg: CfgNode | None = None) -> "OverAnother":
        """An instance of the class that a config asks for."""
        return object.__new__(cls if cfg is None else cls.over(cfg))

    @classmethod
    def over(cls, cfg: CfgNode) -> type:
        """The class that a config asks for.

        Raises:
            ValueError: it asks for a method that this one cannot stand over.
        """
        if cls.other is not None:
            return cls
        path = f"TRAINER.{cls.__name__.upper()}.{cls.other_option}"
        value = cfg.TRAINER[cls.__name__.upper()][cls.other_option]
        if value not in cls.others:
            raise ValueError(f"{path} must be one of {', '.join(cls.others)}; got {value!r}.")
        name = cls.others[value]
        return _joined(cls, trainer_class(name).over(cfg)) if name else cls

    @classmethod
    def options_of(cls) -> type:
        """The trainer class whose options `options` are."""
        return cls.other.options_of() if cls.other else super().options_of()

    @classmethod
    def nodes(cls, cfg: CfgNode) -> tuple[str, ...]:
        """The nodes below TRAINER that a run reads: the method's own, and the other's."""
        chosen = cls.over(cfg)
        return (cls.__name__.upper(), *(chosen.other.nodes(cfg) if chosen.other else ()))

    def check_cfg(self, cfg) -> None:
        """Reads and checks both nodes; refuses what the other's node has for both."""
        name = type(self).__name__.upper()
        self.terms = read_options(self.Config, cfg.TRAINER[name], path=f"TRAINER.{name}")
        if self.other:
            defaults, node = self.Config(), self.options_of().__name__.upper()
            for field in self.unread:
                if getattr(self.terms, field) != getattr(defaults, field):
                    key = key_of(field)
                    raise ValueError(
                        f"TRAINER.{name}.{key} has no effect with {self.other_option} "
                        f"{cfg.TRAINER[name][self.other_option]}. Set TRAINER.{node}.{key}, if "
                        "there is one."
                    )
        super().check_cfg(cfg)

    def all_options(self) -> dict[str, object]:
        """The options of both, by the trainers' names."""
        return super().all_options() | {type(self).__name__: self.terms}


@cache
def _joined(method: type, other: type) -> type:
    about = {"other": other, "__module__": method.__module__, "__doc__": method.__doc__}
    return type(method.__name__, (method, other), about)
