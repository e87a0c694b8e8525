"""Checksums of files; and `whole_files`, as all of promptkit imports it. Standard library only."""

import hashlib
from pathlib import Path

from whole_files import beside as beside
from whole_files import replacing as replacing
from whole_files import sweep as sweep
from whole_files.processes import is_gone as is_gone
from whole_files.processes import this_process as this_process
from whole_files.regular import refuse_pipes as refuse_pipes

CHUNK_BYTES = 1 << 20


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
