"""Options as published code spells them, where that is not under the method's own node.

KgCoOp, ProGrad, TCP and DeKg configure themselves through TRAINER.COOP, ProGrad and DeKg through
LOSS besides, and their CTX_INIT is True or False. Their files are read as they stand:
`PublishedConfig` says, for a trainer, what their keys mean here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CTX_INIT = "CTX_INIT"


@dataclass(frozen=True)
class PublishedConfig:
    """The published spelling of a trainer's options.

    Attributes:
        keys: our keys under TRAINER.<NAME>, by the published ones.
        fixed: published keys that are no option here, with the one value they may have.
        ctx_init: the words that CTX_INIT: True stands for; "" for none.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ctx_init: str = ""


def under_coop(*names: str, ctx_init: str) -> PublishedConfig:
    """Of code that reads TRAINER.COOP: `names`, and what its scripts set to CoOp's defaults."""
    fixed = {"CSC": False, "CLASS_TOKEN_POSITION": "end", "ALPHA": 1.0}
    return PublishedConfig(
        keys={f"TRAINER.COOP.{name}": name for name in names},
        fixed={f"TRAINER.COOP.{name}": value for name, value in fixed.items()},
        ctx_init=ctx_init,
    )


def published_config(trainer: type | None) -> PublishedConfig:
    """What a trainer class declares as `published_config`; nothing for any other."""
    return getattr(trainer, "published_config", PublishedConfig())


def adapted(settings: Mapping[str, Any], trainer: type | None, *, path: str) -> dict[str, Any]:
    """A file's settings, value by dotted key, with the published keys of the trainer made ours.

    Says what it reads in another way.

    Raises:
        ValueError: a published key has a value that is not possible here.
    """
    if trainer is None:
        return dict(settings)
    published, node = published_config(trainer), f"TRAINER.{trainer.__name__.upper()}"
    found = {}
    for key, value in settings.items():
        if key in published.fixed:
            _check_fixed(key, value, published.fixed[key], trainer=trainer, path=path)
            continue
        own = f"{node}.{published.keys[key]}" if key in published.keys else key
        if own == f"{node}.{CTX_INIT}" and isinstance(value, bool):
            words = _words(value, published.ctx_init, trainer=trainer, path=path)
            print(f"{path}: {key}: {value} is read as {own} '{words}'")
            value = words
        elif own != key:
            print(f"{path}: {key} is read as {own}")
        found[own] = value
    return found


def adapted_pairs(pairs: Sequence[Any], trainer: type | None) -> list[Any]:
    """KEY VALUE pairs with True and False for CTX_INIT read as in the trainer's published files.

    Only where those have them: for all other trainers they are words like others. Says so.
    """
    found, published = list(pairs), published_config(trainer)
    if CTX_INIT not in published.keys.values():
        return found
    key = f"TRAINER.{trainer.__name__.upper()}.{CTX_INIT}"
    for place in range(1, len(found), 2):
        if found[place - 1] == key and found[place] in ("True", "False"):
            words = published.ctx_init if found[place] == "True" else ""
            print(f"{key} {found[place]} is read as '{words}'")
            found[place] = words
    return found


def _check_fixed(key: str, value: Any, only: Any, *, trainer: type, path: str) -> None:
    if value != only:
        raise ValueError(
            f"{key} in the file {path!r} must be {only!r}, {trainer.__name__} has no such option "
            f"here; got {value!r}."
        )


def _words(value: bool, words: str, *, trainer: type, path: str) -> str:
    if value and not words:
        raise ValueError(
            f"{CTX_INIT}: True in the file {path!r} has no meaning with {trainer.__name__}: write "
            "the words that the context starts from, or '' for a random one."
        )
    return words if value else ""
