"""Merging files and `KEY VALUE` pairs into a configuration, with errors a reader can act on."""

import ast
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from dassl.utils.registry import UnknownNameError


def merge_file(cfg: CfgNode, path: str) -> None:
    """Merge a YAML file into `cfg`, in place; on error `cfg` is left as it was.

    Raises:
        FileNotFoundError: the file does not exist.
        KeyError: it sets a key the configuration does not have.
        ValueError: it is not a YAML mapping, or a value has the wrong type.
    """
    _merge_all(cfg, list(_settings(_read_yaml(path), cfg)), f'the file "{path}"')


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


def _read_yaml(path: str) -> CfgNode:
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'Config file "{path}" not found (looked from {Path.cwd()}). '
            "Give the path of an existing YAML file."
        )
    try:
        tree = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f'Config file "{path}" is not valid YAML: {error}') from error
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ValueError(
            f'Config file "{path}" must hold KEY: VALUE pairs; got a {type(tree).__name__}.'
        )
    try:
        return CfgNode(tree)
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


def _nest(key: str, value: Any) -> CfgNode:
    """Return the tree that holds `value` at the dotted `key`."""
    for part in reversed(key.split(".")):
        value = CfgNode({part: value})
    return value


def _merge_all(cfg: CfgNode, pairs: list[tuple[str, Any]], source: str) -> None:
    # On a copy first: a wrong value must not leave half of the values merged.
    trial = cfg.clone()
    trial.defrost()
    for key, value in pairs:
        _merge_one(trial, key, value, source)
    for key, value in pairs:
        cfg.merge_from_other_cfg(_nest(key, value))


def _merge_one(cfg: CfgNode, key: str, value: Any, source: str) -> None:
    try:
        cfg.merge_from_other_cfg(_nest(key, value))
    except KeyError as error:
        if "was renamed" in str(error):
            raise
        raise UnknownNameError(_unknown_key(cfg, key, source)) from error
    except ValueError as error:
        raise ValueError(_wrong_type(cfg, key, value, source)) from error
    except AssertionError as error:
        raise ValueError(f"{key} in {source} has a value of no known type: {error}") from error


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
    value = _decode(value)
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
    if isinstance(known, float) and isinstance(value, int) and not isinstance(value, bool):
        message += f" Write {float(value)!r}."
    elif isinstance(known, str) and not isinstance(value, CfgNode):
        message += f" In YAML put it in quotes: '{value}'."
    return message


def _decode(value: Any) -> Any:
    """Read a string as the Python literal it spells, as yacs does (`1e-5`, `(224, 224)`)."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
