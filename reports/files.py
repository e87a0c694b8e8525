"""Reading, where every file says its name, and writing: a file is the old one or the new, whole."""

from __future__ import annotations

import codecs
from pathlib import Path

from run_files.checks import Schema, read
from whole_files import replacing
from whole_files.regular import refuse_pipes

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
POINTER = b"version https://git-lfs.github.com/"


def read_text(path: Path, *, errors: str = "strict") -> str:
    """A text file in UTF-8, or in UTF-16 with a byte order mark, as PowerShell writes it.

    Args:
        errors: "replace" for logs, of which only the plain ASCII lines are read.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is in another encoding, no text but what a failed download leaves, or a pipe.
    """
    refuse_pipes(path)
    content = path.read_bytes()
    if content.startswith(POINTER):
        raise ValueError(f"{path} is a Git LFS pointer, not the file; `git lfs pull` fetches it")
    if content.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise ValueError(f"{path} is an HTML page saved under another name")
    mark = next((mark for mark in BYTE_ORDER_MARKS if content.startswith(mark)), None)
    try:
        return content.decode(BYTE_ORDER_MARKS[mark] if mark else "utf-8", errors)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error.reason}, byte {error.start})") from (
            error
        )


def read_json(path: Path, schema: type[Schema]) -> Schema:
    """The content of a JSON file, checked by its schema.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or not of the schema.
    """
    refuse_pipes(path)
    try:
        text = read_text(path)
    except ValueError as error:
        raise ValueError(f"not a JSON file ({error})") from error
    return read(text, schema)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes beside `path`, then renames; makes its folder.

    Raises:
        OSError: it cannot be written; names `path`.
    """
    with replacing(path) as partial:
        partial.write_bytes(content)
