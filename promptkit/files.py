"""Files that are whole or not there, and their checksums. Standard library only."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK_BYTES = 1 << 20


def beside(path: Path) -> Path:
    """A hidden name in the same folder that is nobody else's: two processes never share one."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a path to write to, in the folder of `path`, which is made; renames it at the end.

    Readers see the old file or the whole new one, and the user's umask decides who they are.

    Raises:
        OSError: the folder cannot be made or written; it names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(partial)):
            raise
        # A write that fails knows no name, and the hidden one is gone when it is read.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def checksum(path: str | Path) -> str | None:
    """sha256 of a file; None where there is none."""
    path = Path(path)
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
