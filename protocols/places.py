"""Where the project and its configs are, and which names there are."""

from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
TRAINERS, DATA_SETS = "configs/trainers", "configs/datasets"  # below it


@cache
def names_in(folder: str) -> tuple[str, ...]:
    """The names of folders and yaml files in a folder of configs, sorted; () without one."""
    path = PROJECT / folder
    if not path.is_dir():
        return ()
    return tuple(sorted(entry.stem if entry.suffix == ".yaml" else entry.name
                        for entry in path.iterdir()))  # fmt: skip


def refuse_path(what: str, name: str) -> None:
    """Raises ValueError if a name is a path: ../ in one would find files elsewhere."""
    if "/" in name or name.startswith("."):
        raise ValueError(
            f"the {what} must be a name without / and without a dot at its beginning; got '{name}'"
        )


def refuse_twice(what: str, names: list[str], duty: str = "name each once") -> None:
    """Raises ValueError if a name is there twice: it would be run twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} must {duty}; {' '.join(twice)} is there more than once")
