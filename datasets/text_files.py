"""Files of text: lists are read here, whatever wrote them.

Text is UTF-8, with or without a byte order mark, or UTF-16 with one, and may be compressed (gzip).
Everything else is refused with the file's name and with what it is, where that can be told.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Hashable, Iterable
from typing import Any

from whole_files.regular import refuse_pipes

MAX_BYTES = 1 << 30  # of a compressed list once it is decompressed; ImageNet's has 0.2 GiB
HEAD = 512  # bytes that tell what a file is
MARKS = (  # of UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What is often saved under the name of a list, by its first bytes in lower case.
FOREIGN = (
    (
        b"version https://git-lfs.github.com/",
        "a Git LFS pointer, which stands for the file. Get the file itself: git lfs pull",
    ),
    *(
        (tag, "a web page, saved under this name. Download the file itself")
        for tag in (b"<!doctype", b"<html", b"<head", b"<?xml")
    ),
    (b"pk\x03\x04", "a zip archive or an Excel workbook. Unpack it, or export it as text (CSV)"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of the old kind. Export it as text (CSV)"),
)


def read_text(path: str) -> str:
    """The text of a file, decompressed and decoded, with newlines for all ends of lines.

    Raises:
        ValueError: it is empty, damaged, of another encoding, or no list at all.
        FileNotFoundError: there is no such file.
    """
    data = _decompressed(path)
    refuse_foreign(path, data[:HEAD])
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(_undecodable(path, data, error)) from error
    if not text.strip():
        raise ValueError(f"{path} is empty. Write or download it again.")
    if "\0" in text:
        raise ValueError(
            f"{path} holds zero bytes: it is no text, or UTF-16 without a byte order mark. Convert "
            f"it to UTF-8: iconv -f UTF-16LE -t UTF-8 '{path}' > new_file"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: str) -> list[tuple[int, str]]:
    """Number, from 1, and text of each line that is not blank; raises as `read_text`."""
    lines = enumerate(read_text(path).split("\n"), 1)
    return [(number, line) for number, line in lines if line.strip()]


def read_json(path: str) -> Any:
    """The content of a json file; raises as `read_text`.

    Raises:
        ValueError: it is not json, is cut off, or an object has a key twice.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        line = _shorten(text.split("\n")[error.lineno - 1])
        is_cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        what = "it breaks off" if is_cut else error.msg
        raise ValueError(
            f"{path} is not a JSON file: {what} in line {error.lineno}, {line!r}. "
            f"{'Download it again' if is_cut else 'Correct it, or download it again'}."
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ValueError(
            f"{path} is nested too deeply for a list of images. Write or download it again."
        ) from error


def refuse_foreign(path: str, head: bytes) -> None:
    """Raises ValueError if a file that begins with `head` is known to be something else."""
    head = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    what = next((what for start, what in FOREIGN if head.startswith(start)), "")
    if what:
        raise ValueError(f"{path} is {what}.")


def malformed(path: str, number: int, line: str, wanted: str) -> ValueError:
    """The error of a line that has not the form `wanted`."""
    return ValueError(f"{path}, line {number} must be {wanted}; got {_shorten(line)!r}.")


def refuse_repeats(path: str, keys: Iterable[tuple[int, Hashable]], what: str) -> None:
    """Raises ValueError if one of `keys`, pairs of line number and key, is there twice."""
    first: dict[Hashable, int] = {}
    for number, key in keys:
        if first.setdefault(key, number) != number:
            raise ValueError(
                f"{path} has {key} more than once, in the lines {first[key]} and {number}: keep "
                f"one line for each {what}."
            )


def _decompressed(path: str) -> bytes:
    refuse_pipes(path)
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged or cut off: it cannot be decompressed ({error}). Download it again."
        ) from error
    if len(text) > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES >> 20:,} MiB once it is decompressed.")
    return text


def _undecodable(path: str, data: bytes, error: UnicodeDecodeError) -> str:
    if error.encoding != "utf-8":
        return f"{path} is damaged or cut off: it is marked as {error.encoding.upper()} ({error})."
    number = data.count(b"\n", 0, error.start) + 1
    line = data.split(b"\n")[number - 1].rstrip(b"\r")
    return (
        f"{path} is not UTF-8: line {number} has the byte 0x{data[error.start]:02x}, "
        f"{_shorten(line)!r}. Convert it from the encoding that it was written in (GBK, SHIFT_JIS, "
        f"LATIN1, ...): iconv -f GBK -t UTF-8 '{path}' > new_file"
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object in it has the key {twice!r} twice. Keep one.")
    return found


def _shorten(line: Any, limit: int = 80) -> Any:
    return (
        line if len(line) <= limit else line[:limit] + ("..." if isinstance(line, str) else b"...")
    )
