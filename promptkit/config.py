"""Options of a trainer: declared as a frozen dataclass, merged by yacs, read back checked.

A field `n_ctx` of the `Config` of trainer `CoOp` is the key `TRAINER.COOP.N_CTX`; a field that is
itself a dataclass is a sub-node.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

from yacs.config import CfgNode

from promptkit.encoders.precision import MODES
from promptkit.encoders.text_encoder import ENCODERS

Options = TypeVar("Options")


class OptionError(ValueError):
    """A field has a value that is not allowed; the message begins with the field's name."""


def key_of(field: str) -> str:
    """The key of a field; an underscore at the end keeps a name from being a Python word."""
    return field.rstrip("_").upper()


def require(field: str, value: Any, allowed: tuple) -> None:
    """Raises OptionError unless `value` is one of `allowed`."""
    if value not in allowed:
        names = ", ".join(map(str, allowed))
        raise OptionError(f"{key_of(field)} must be one of {names}; got {value!r}.")


def require_range(
    field: str, value: float, low: float, high: float = float("inf"), *, open_low: bool = False
) -> None:
    """Raises OptionError unless low <= value <= high (low < value with `open_low`)."""
    if not (low < value if open_low else low <= value) or not value <= high:
        bound = f"{'above' if open_low else 'at least'} {low}"
        bound += f" and at most {high}" if high != float("inf") else ""
        raise OptionError(f"{key_of(field)} must be {bound}; got {value}.")


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """What every trainer of promptkit takes."""

    prec: str = "auto"  # auto | fp32 | fp16 | bf16 | amp, see promptkit/encoders/precision.py
    text_encoder: str = "fast"  # fast | reference (77 tokens per class: slow); one result
    compile: bool = False  # the step as one program, see promptkit/compiling.py; one result
    chunk: int = 1024  # most prompts encoded at a time; bounds memory, changes no result

    def __post_init__(self) -> None:
        require("prec", self.prec, MODES)
        require("text_encoder", self.text_encoder, tuple(ENCODERS))
        require_range("chunk", self.chunk, 1)


@dataclass(frozen=True, kw_only=True)
class ContextConfig(PromptConfig):
    """What trainers with a learnable context in front of the class name take."""

    n_ctx: int = 16  # number of context tokens; where all of CTX_INIT's words are learned, theirs
    ctx_init: str = ""  # words to start from, such as "a photo of a"; "" is N(0, 0.02)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("n_ctx", self.n_ctx, 1)


@dataclass(frozen=True, kw_only=True)
class MultiModalConfig(ContextConfig):
    """What trainers take whose prompts of the text become those of the image."""

    n_ctx: int = 2  # context tokens; CTX_INIT is used up to 4
    ctx_init: str = "a photo of a"
    prompt_depth: int = 9  # J: layers of both encoders with prompts of their own

    def arguments(self) -> dict[str, int | str]:
        """The arguments of `MultiModalPrompts`."""
        return {"num_context": self.n_ctx, "depth": self.prompt_depth, "init": self.ctx_init}


@dataclass(frozen=True, kw_only=True)
class VisionLanguageConfig(PromptConfig):
    """What trainers with independent prompts in both encoders take."""

    n_ctx_vision: int  # tokens behind the patches
    n_ctx_text: int  # context tokens; CTX_INIT is used up to 4
    ctx_init: str = "a photo of a"  # words to start from; "" is N(0, 0.02)
    prompt_depth_vision: int  # layers with tokens of their own; 0 leaves images unprompted
    prompt_depth_text: int  # layers with a context of their own

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("n_ctx_vision", self.n_ctx_vision, 1 if self.prompt_depth_vision else 0)
        require_range("n_ctx_text", self.n_ctx_text, 1)

    def arguments(self) -> dict[str, int | str]:
        """The arguments of `VisionLanguagePrompts`."""
        return {
            "num_text": self.n_ctx_text,
            "depth_text": self.prompt_depth_text,
            "num_vision": self.n_ctx_vision,
            "depth_vision": self.prompt_depth_vision,
            "init": self.ctx_init,
        }


def default_node(config_class: type) -> CfgNode:
    """The yacs node with the defaults of a `Config` dataclass."""
    return _node(config_class())


def _node(options: object) -> CfgNode:
    node = CfgNode()
    for field in fields(options):
        value = getattr(options, field.name)
        node[key_of(field.name)] = _node(value) if is_dataclass(value) else value
    return node


def read_options(config_class: type[Options], node: CfgNode, *, path: str) -> Options:
    """The dataclass with a node's values.

    Raises:
        ValueError: a value is not allowed; the message names the full key under `path`.
    """
    values = {}
    for field in fields(config_class):
        key = key_of(field.name)
        value = node[key]
        if isinstance(value, CfgNode):
            value = read_options(field.default_factory, value, path=f"{path}.{key}")
        values[field.name] = value
    try:
        return config_class(**values)
    except OptionError as error:
        raise ValueError(f"{path}.{error}") from None
