"""Options of a trainer: declared as a frozen dataclass, merged by yacs, read back checked.

A field `n_ctx` of the `Config` of trainer `CoOp` is the key `TRAINER.COOP.N_CTX`; a field that is
itself a dataclass is a sub-node.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

from yacs.config import CfgNode

from promptkit.precision import MODES
from promptkit.text_encoder import ENCODERS

Options = TypeVar("Options")


class OptionError(ValueError):
    """A field has a value that is not allowed; the message begins with the field's name."""


def require(field: str, value: Any, allowed: tuple) -> None:
    """Raises OptionError unless `value` is one of `allowed`."""
    if value not in allowed:
        names = ", ".join(map(str, allowed))
        raise OptionError(f"{field.upper()} must be one of {names}; got {value!r}.")


def require_range(
    field: str, value: float, low: float, high: float = float("inf"), *, open_low: bool = False
) -> None:
    """Raises OptionError unless low <= value <= high (low < value with `open_low`)."""
    if not (low < value if open_low else low <= value) or not value <= high:
        bound = f"{'above' if open_low else 'at least'} {low}"
        bound += f" and at most {high}" if high != float("inf") else ""
        raise OptionError(f"{field.upper()} must be {bound}; got {value}.")


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """What every trainer of promptkit takes."""

    prec: str = "auto"  # auto | fp32 | fp16 | bf16 | amp, see promptkit/precision.py
    text_encoder: str = "fast"  # fast | reference (77 tokens per class; same result, slow)

    def __post_init__(self) -> None:
        require("prec", self.prec, MODES)
        require("text_encoder", self.text_encoder, tuple(ENCODERS))


@dataclass(frozen=True, kw_only=True)
class ContextConfig(PromptConfig):
    """What trainers with a learnable context in front of the class name take."""

    n_ctx: int = 16  # number of context tokens; ignored when CTX_INIT gives words
    ctx_init: str = ""  # words to start from, such as "a photo of a"; "" is N(0, 0.02)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("n_ctx", self.n_ctx, 1)


def default_node(config_class: type) -> CfgNode:
    """The yacs node with the defaults of a `Config` dataclass."""
    return _node(config_class())


def _node(options: object) -> CfgNode:
    node = CfgNode()
    for field in fields(options):
        value = getattr(options, field.name)
        node[field.name.upper()] = _node(value) if is_dataclass(value) else value
    return node


def read_options(config_class: type[Options], node: CfgNode, *, path: str) -> Options:
    """The dataclass with a node's values.

    Raises:
        ValueError: a value is not allowed; the message names the full key under `path`.
    """
    values = {}
    for field in fields(config_class):
        key = field.name.upper()
        value = node[key]
        if isinstance(value, CfgNode):
            value = read_options(field.default_factory, value, path=f"{path}.{key}")
        values[field.name] = value
    try:
        return config_class(**values)
    except OptionError as error:
        raise ValueError(f"{path}.{error}") from None
