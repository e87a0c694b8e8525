"""Methods over other methods: they add to whatever another one learns.

The trainer of such a run is of a class made for it, `(method, other)`: what the method does not
define is the other's, and its `super()` is the other, which may be such a method itself. The
other's options stand under its own name, `TRAINER.<OTHER>`, and are `options`.
"""

from dataclasses import fields
from functools import cache
from typing import ClassVar

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
        terms_name: the attribute that holds the method's own options, checked.
    """

    other_option: ClassVar[str]
    others: ClassVar[dict[str, str]]
    other: ClassVar[type | None] = None
    unread: ClassVar[tuple[str, ...]] = tuple(field.name for field in fields(PromptConfig))
    terms_name: ClassVar[str]

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

    @classmethod
    def below(cls, method: type) -> type | None:
        """The class that a method stands over in this one; None where it stands by itself."""
        joined = (kind for kind in cls.__mro__ if vars(kind).get("other"))
        return next((kind.other for kind in joined if kind.__bases__[0] is method), None)

    @classmethod
    def methods(cls) -> list[type]:
        """The methods over others that meet in this class, the uppermost first."""
        return [kind for kind in cls.__mro__ if "other_option" in vars(kind)]

    def check_cfg(self, cfg) -> None:
        """Reads and checks all nodes; refuses what the other's node has for both."""
        for method in self.methods():
            name = method.__name__.upper()
            terms = read_options(method.Config, cfg.TRAINER[name], path=f"TRAINER.{name}")
            setattr(self, method.terms_name, terms)
            other = self.below(method)
            for field in method.unread if other else ():
                if getattr(terms, field) != getattr(method.Config(), field):
                    key, node = key_of(field), other.options_of().__name__.upper()
                    raise ValueError(
                        f"TRAINER.{name}.{key} has no effect with {method.other_option} "
                        f"{cfg.TRAINER[name][method.other_option]}. Set TRAINER.{node}.{key}, if "
                        "there is one."
                    )
        super().check_cfg(cfg)

    def all_options(self) -> dict[str, object]:
        """The options of all, by the trainers' names."""
        own = {method.__name__: getattr(self, method.terms_name) for method in self.methods()}
        return super().all_options() | own


@cache
def _joined(method: type, other: type) -> type:
    about = {"other": other, "__module__": method.__module__, "__doc__": method.__doc__}
    return type(method.__name__, (method, other), about)
