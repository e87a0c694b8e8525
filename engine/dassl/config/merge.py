"""Merging files and `KEY VALUE` pairs into a configuration, with errors a reader can act on."""

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from yacs.config import CfgNode

from dassl.utils.registry import UnknownNameError


def merge_tree(cfg: CfgNode, tree: Mapping[str, Any], path: str) -> None:
    """Merge nested dictionaries, in place; on error `cfg` is left as it was.

    Args:
        cfg: the configuration.
        tree: what `dassl.config.read_yaml` returned.
        path: of its file, for messages.

    Raises:
        KeyError: it sets a key the configuration does not have.
        ValueError: a value has the wrong type.
    """
    settings = list(_settings(_nodes(tree, path), cfg))
    _merge_all(cfg, settings, f'the file "{path}"')


def merge_opts(cfg: CfgNode, opts: Sequence[Any]) -> None:
    """Merge a flat list `[KEY, VALUE, KEY, VALUE, ...]`, in place; on error `cfg` stays as it was.

    Raises:
        KeyError: a key the configuration does not have.
        ValueError: the number of items is odd, or a value has the wrong type.
    """
    if len(opts) % 2:
        raise ValueError(
            f"Options must come in pairs KEY VALUE; got {len(opts)} items: {list(opts)}. "
            f'The last one, "{opts[-1]}", has no value; add it or remove the key.'
        )
    pairs = [(str(key), value) for key, value in zip(opts[0::2], opts[1::2], strict=True)]
    _merge_all(cfg, pairs, "the command-line options")


def _nodes(tree: Mapping[str, Any], path: str) -> CfgNode:
    try:
        return CfgNode(dict(tree))
    except AssertionError as error:
        raise ValueError(f'Config file "{path}" holds a value of no known type: {error}') from error


def _settings(tree: CfgNode, cfg: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for every value of `tree` that meets a value or nothing in `cfg`.

    A whole subtree is yielded at once where `cfg` has no such node.
    """
    for key, value in tree.items():
        known = cfg[key] if key in cfg else None
        if isinstance(value, CfgNode) and isinstance(known, CfgNode):
            yield from _settings(value, known, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _merge_all(cfg: CfgNode, pairs: list[tuple[str, Any]], source: str) -> None:
    # On a copy first: a wrong value must not leave half of the values merged.
    trial = cfg.clone()
    trial.defrost()
    for tree in (trial, cfg):
        for key, value in pairs:
            _merge_one(tree, key, value, source)


def _merge_one(cfg: CfgNode, key: str, value: Any, source: str) -> None:
    *parents, name = key.split(".")
    node: Any = cfg
    for parent in parents:
        if not isinstance(node, CfgNode) or parent not in node:
            break
        node = node[parent]
    else:
        if isinstance(node, CfgNode) and (name in node or node.is_new_allowed()):
            # Past yacs's own merging, which reads text as Python and knows no other number.
            dict.__setitem__(node, name, _converted(cfg, node.get(name), key, value, source))
            return
    if cfg.key_is_deprecated(key):
        return
    if cfg.key_is_renamed(key):
        cfg.raise_key_rename_error(key)
    if isinstance(node, CfgNode):
        raise UnknownNameError(_unknown_key(cfg, key, source))
    raise ValueError(_wrong_type(cfg, key, value, source))


def _converted(cfg: CfgNode, known: Any, key: str, value: Any, source: str) -> Any:
    """Return `value` as the type of the value `known` that it takes the place of.

    Text stays as it stands, also text that spells a number. Elsewhere text is read as the Python
    literal it spells, as yacs does (`1e-5`, `(224, 224)`); integers become floats where floats
    are wanted, and lists and tuples each other. A default of None takes anything.
    """
    if isinstance(known, str) and isinstance(value, str):
        return value
    given, value = value, _decode(value)
    if not _is_finite(value):
        raise ValueError(f"{key} must be finite; got {given!r} in {source}.")
    if known is None or type(value) is type(known):
        return value
    if isinstance(known, float) and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{key} must be finite; got {given!r} in {source}.") from None
    for one, other in ((list, tuple), (tuple, list)):
        if isinstance(value, one) and isinstance(known, other):
            return other(value)
    raise ValueError(_wrong_type(cfg, key, value, source))


def _unknown_key(cfg: CfgNode, key: str, source: str) -> str:
    known = list(_all_keys(cfg))
    by_fold = {name.upper(): name for name in known}
    message = f'Unknown config key "{key}" in {source}.'
    near = get_close_matches(key.upper(), by_fold, n=1)
    if near:
        message += f' Did you mean "{by_fold[near[0]]}"?'
    parent = key.rpartition(".")[0]
    siblings = [name for name in known if name.rpartition(".")[0] == parent]
    if siblings:
        message += f" Known here: {', '.join(siblings)}."
    else:
        message += " The keys of a trainer exist once that trainer's file is imported."
    return message


def _all_keys(cfg: CfgNode, prefix: str = "") -> Iterator[str]:
    for key, value in cfg.items():
        yield f"{prefix}{key}"
        if isinstance(value, CfgNode):
            yield from _all_keys(value, f"{prefix}{key}.")


def _wrong_type(cfg: CfgNode, key: str, value: Any, source: str) -> str:
    known: Any = cfg
    reached = []
    for part in key.split("."):
        # A key that goes on below a plain value ("SEED.X: 1") clashes at that value.
        if not isinstance(known, CfgNode) or part not in known:
            break
        known = known[part]
        reached.append(part)
    allowed = "a group of keys" if isinstance(known, CfgNode) else type(known).__name__
    got = "a group of keys" if isinstance(value, CfgNode) else f"{value!r} ({type(value).__name__})"
    default = "" if isinstance(known, CfgNode) else f" (now {known!r})"
    message = f"{'.'.join(reached)} must be {allowed}{default}; got {got} in {source}."
    if reached != key.split("."):
        message = f'There is no key "{key}": ' + message
    if isinstance(known, str) and not (isinstance(value, CfgNode) and value):
        text = "''" if value is None else "'{}'" if isinstance(value, CfgNode) else f"'{value}'"
        message += f" In YAML put it in quotes: {text}."
    return message


def _decode(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # as ast says
        return value


def _is_finite(value: Any) -> bool:
    """Whether all numbers of a value are: 1e400 is read as inf."""
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
