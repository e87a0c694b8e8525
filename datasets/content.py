"""The content of image files: their checksums, which are kept beside them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

from whole_files import replacing
from whole_files.regular import refuse_pipes

CHUNK_BYTES = 1 << 20
KEPT = "sha256_of_images.json"  # in a data set's folder: path, then size, time and checksum


def checksum(path: str) -> str:
    """sha256 of a file, in hexadecimal.

    Raises:
        ValueError: it is a pipe, a device or a folder.
    """
    refuse_pipes(path)
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def kept_checksums(paths: list[str], folder: str) -> dict[str, str]:
    """sha256 of each file by its path; those that changed since the last time are read.

    A file that has its size and time of modification still is taken as the same one. Where `folder`
    cannot be written, all are read each time.

    Args:
        paths: of the files.
        folder: that their checksums are kept in.
    """
    kept_in = os.path.join(folder, KEPT)
    kept = _read(kept_in)
    stamps = {path: _stamp(path) for path in paths}
    names = {path: os.path.relpath(path, folder) for path in stamps}
    known = {p: kept[n][2] for p, n in names.items() if kept.get(n, [])[:2] == stamps[p]}
    unknown = [path for path in stamps if path not in known]
    if unknown:
        with ThreadPoolExecutor() as pool:
            known |= zip(unknown, pool.map(checksum, unknown), strict=True)
        kept |= {names[path]: [*stamps[path], known[path]] for path in unknown}
        with contextlib.suppress(OSError), replacing(kept_in) as partial:
            with open(partial, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(kept, file, ensure_ascii=False)
    return known


def _stamp(path: str) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]


def _read(path: str) -> dict[str, list]:
    """What is kept; nothing of a file that is missing, damaged or of another form."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            kept = json.load(file)
        whole = all(len(entry) == 3 and isinstance(entry[2], str) for entry in kept.values())
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
    return kept if whole else {}
