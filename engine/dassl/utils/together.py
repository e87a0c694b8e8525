"""Several files that appear together: after a kill all of them are new, or none is.

All are written aside. Then a list of the renames to come is put into the folder, by one rename:
from there on they will be done, if not by this process then by the next, see `finish`.
"""

import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from dassl.utils.whole_files import ENDING, beside, replacing, sweep, synced

LIST = ".renames.json"
Write = Callable[[BinaryIO], Any]


def write_together(directory: str | Path, files: Mapping[str, Write]) -> None:
    """Write files below a folder.

    Args:
        directory: the folder, made if missing.
        files: what writes each, by path relative to it, in the order of the renames: what points
            to others comes behind them.

    Raises:
        OSError: the disk is full or a folder cannot be written; the files are as they were.
    """
    directory = Path(directory)
    if not files:
        return
    finish(directory)
    partials: list[Path] = []
    try:
        for name, write in files.items():
            partials.append(_write_aside(directory / name, write))
        for folder in {partial.parent for partial in partials}:
            synced(folder)
        moves = [partial.relative_to(directory).as_posix() for partial in partials]
        with replacing(directory / LIST) as partial:
            partial.write_text(json.dumps(moves))
    except BaseException:
        for partial in partials:
            partial.unlink(missing_ok=True)
        raise
    _rename(directory, moves)
    for name in files:
        sweep((directory / name).parent, Path(name).name)


def finish(directory: str | Path) -> None:
    """Do the renames that a killed process had decided on.

    Raises:
        OSError: the folder cannot be written.
        ValueError: their list is damaged, or is no list of ours.
    """
    path = Path(directory, LIST)
    if not path.is_file():
        return
    try:
        moves = json.loads(path.read_text())
    except ValueError:
        moves = None
    if not isinstance(moves, list) or not all(_is_ours(move) for move in moves):
        raise ValueError(
            f'"{path}" must list the checkpoint files that a killed run was about to rename, and '
            "does not. Delete it, and the run goes on from the checkpoints that are there."
        )
    _rename(Path(directory), moves)


def _is_ours(move: Any) -> bool:
    # Nothing outside of the folder is touched, whatever a list from elsewhere says.
    parts = Path(move).parts if isinstance(move, str) else ()
    if not parts or Path(move).is_absolute() or ".." in parts:
        return False
    return parts[-1].startswith(".") and parts[-1].endswith(ENDING) and parts[-1].count(".") >= 4


def _target(partial: Path) -> Path:
    return partial.with_name(partial.name[1:].rsplit(".", 3)[0])


def _rename(directory: Path, moves: Sequence[str]) -> None:
    partials = [directory / move for move in moves]
    for partial in partials:
        try:
            os.replace(partial, _target(partial))
        except FileNotFoundError:  # done before the kill
            continue
    for folder in {partial.parent for partial in partials}:
        synced(folder)
    (directory / LIST).unlink(missing_ok=True)


def _write_aside(path: Path, write: Write) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    try:
        with open(partial, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            # A failing write() does not know the name; the reader needs the final one.
            number, text = error.errno or errno.EIO, error.strerror or str(error)
            raise OSError(number, text, str(path)) from error
        raise
    return partial
