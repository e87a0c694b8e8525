"""Reading YAML files of settings: a mapping of plain values, each key once, of a sane size."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dassl.utils.file_kinds import what_it_is

MAX_DEPTH = 50  # groups in groups
MAX_VALUES = 100_000  # aliases can make a small file a huge tree


class _Loader(yaml.SafeLoader):
    """Safe, and without the silence of YAML's own loaders about a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """As the base class does, after a look at the keys."""
        first: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode):
                continue  # the base class refuses it where it cannot be a key
            line = key.start_mark.line + 1
            if first.setdefault(key.value, line) != line and key.value != "<<":
                raise ValueError(
                    f'has the key "{key.value}" twice, in the lines {first[key.value]} and {line}. '
                    "Keep one."
                )
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: str) -> dict[str, Any]:
    """Return the tree of a YAML file; empty for an empty file.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not a YAML mapping in UTF-8 (or UTF-16 that says so), sets a key twice, or
            is nested too deeply.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'Config file "{path}" not found (looked from {Path.cwd()}). '
            "Give the path of an existing YAML file."
        )
    try:
        tree = yaml.load(Path(path).read_bytes(), _Loader)  # takes a byte order mark, too
    except (yaml.YAMLError, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f'Config file "{path}" is not valid YAML: {error}') from error
    except RecursionError as error:
        raise ValueError(f'Config file "{path}" is nested too deeply. Make it flat.') from error
    except ValueError as error:  # ours, or of a value such as the date 2001-99-99
        raise ValueError(f'Config file "{path}" {error}') from error
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        kind = what_it_is(path) if isinstance(tree, str) else None
        raise ValueError(
            f'Config file "{path}" must hold KEY: VALUE pairs; got '
            f"{kind or f'a {type(tree).__name__}'}."
        )
    _check(tree, path)
    return tree


def _check(tree: dict[Any, Any], path: str) -> None:
    """Raise ValueError unless each key is text and set once, by its own name or a dotted one."""
    seen: set[str] = set()
    for count, (key, is_value) in enumerate(_keys(tree, path, "", 0)):
        if count > MAX_VALUES:
            raise ValueError(f'Config file "{path}" has more than {MAX_VALUES:,} values.')
        if not is_value:
            continue
        above = (key[:place] for place, letter in enumerate(key) if letter == ".")
        clash = next((name for name in (key, *above) if name in seen), None)
        if clash is not None:
            raise ValueError(f'Config file "{path}" sets {clash} twice. Keep one.')
        seen.add(key)


def _keys(value: Any, path: str, key: str, depth: int) -> Iterator[tuple[str, bool]]:
    """Yield the dotted key of every value, and whether it is one: lists' items have none."""
    if depth > MAX_DEPTH:
        raise ValueError(
            f'Config file "{path}" is nested too deeply at {key[:60]}..., or an anchor in it holds '
            "itself. Make it flat."
        )
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            if not isinstance(name, str):
                raise ValueError(
                    f'Config file "{path}": the key {name!r} must be text; it is read as '
                    f"{type(name).__name__}. Correct it, or put it in quotes."
                )
            yield from _keys(inner, path, f"{key}.{name}" if key else name, depth + 1)
        return
    yield key, True
    for item in value if isinstance(value, list) else ():
        yield from ((inner, False) for inner, _ in _keys(item, path, key, depth + 1))
