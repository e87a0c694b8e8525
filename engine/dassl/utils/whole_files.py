"""Files that are whole or not there, however many processes write and whenever one is killed.

Standard library only. What is written first has a hidden name that says who writes it; what
the killed have left is swept away, and never what a living process is writing.

The engine is a distribution of its own and has a copy of this file in
dassl/utils/; a test holds the two equal.
"""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dassl.utils.processes import is_gone, this_process

ENDING = ".partial"
ABANDONED_SEC = 24 * 3600.0  # of other machines' files, whose processes cannot be asked after


def beside(path: str | Path) -> Path:
    """A hidden name in the same folder that is nobody else's: two processes never share one."""
    path = Path(path)
    return path.with_name(f".{path.name}.{this_process()}.{secrets.token_hex(4)}{ENDING}")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a path to write to, in the folder of `path`, which is made; renames it at the end.

    Readers see the old file or the whole new one, after a power cut too, and the user's umask
    decides who they are. What killed processes left of the same file is deleted.

    Raises:
        OSError: the folder cannot be made or written; it names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    try:
        yield partial
        synced(partial)
        os.replace(partial, path)
        synced(path.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(partial)):
            raise
        # A write that fails knows no name, and the hidden one is gone when it is read.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
    sweep(path.parent, path.name)


def synced(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some network drives cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def sweep(folder: str | Path, name: str = "") -> None:
    """Deletes what killed processes left half written, files and folders.

    Args:
        folder: that is looked through, not what is below it.
        name: of the one file or folder whose leftovers are meant; by default of all.
    """
    beginning = f".{name}." if name else "."
    try:
        names = os.listdir(folder)
    except OSError:  # there is no such folder, or it may not be read
        return
    for path in (Path(folder, found) for found in names):
        if path.name.startswith(beginning) and path.name.endswith(ENDING):
            with contextlib.suppress(OSError):  # another user's, or deleted by another process
                if _is_abandoned(path):
                    _delete(path)


def _is_abandoned(path: Path) -> bool:
    owner = path.name.removesuffix(ENDING).split(".")[-2:-1]
    gone = is_gone(owner[0]) if owner else None
    if gone is not None:
        return gone
    return time.time() - path.lstat().st_mtime > ABANDONED_SEC


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
