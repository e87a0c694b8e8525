"""Lists that a user writes beside images of their own: of images, and of class names.

A list of images is a table with the columns image, class and, if wanted, split, which commas,
semicolons or tabs separate; or a split file, see `datasets.split_file`.
"""

from __future__ import annotations

import csv
import io
import os
import posixpath
from collections.abc import Iterator

from datasets.entries import SPLIT_NAMES, Entries
from datasets.split_file import read_entries
from datasets.text_files import malformed, read_lines, read_text, refuse_repeats

SEPARATORS = ",;\t"
COLUMNS = ("image", "class", "split")
Row = tuple[int, dict[str, str]]  # number of its line, value by column


def read_list(path: str) -> tuple[Entries, bool]:
    """The entries of a list of images, whatever its form and the ending of its name.

    Returns:
        The entries, and whether the list says of which split they are; if not, all are in train.

    Raises:
        ValueError: the list is malformed.
    """
    if path.lower().endswith((".json", ".json.gz")) or read_text(path).lstrip()[0] in "{[":
        return read_entries(path), True
    return read_table(path)


def read_table(path: str) -> tuple[Entries, bool]:
    """The entries of a table with the columns image, class and, if wanted, split.

    Labels count the sorted class names. Without the column, or where it is empty, an image is of
    train.

    Returns:
        The entries, and whether there is a column split.

    Raises:
        ValueError: a column is missing or there twice, a line lacks a value or has one too many,
            or an image is there twice.
    """
    text = read_text(path)
    header, separator = _header(path, text)
    rows = list(_rows(path, text, header, separator))
    refuse_repeats(path, [(number, row["image"]) for number, row in rows], "image")
    unread = [name for name in header if name and name not in COLUMNS]
    if unread:
        print(f"Note: {path}: of its columns {', '.join(unread)} are not read")
    labels = {name: n for n, name in enumerate(sorted({row["class"] for _, row in rows}))}
    entries: Entries = {name: [] for name in SPLIT_NAMES}
    for number, row in rows:
        part = row.get("split", "").lower() or "train"
        if part not in entries:
            raise ValueError(
                f"{path}, line {number}: split must be one of "
                f"{', '.join(SPLIT_NAMES)}; got {part!r}."
            )
        entries[part].append((row["image"], labels[row["class"]], row["class"]))
    return entries, "split" in header


def read_classnames(path: str, folders: list[str]) -> dict[str, str]:
    """Class name by folder, from lines "<folder><tab><class name>".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is of another form, a folder has no line, or two.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"DATASET.FOLDER.CLASSNAMES: there is no file {path}. Give its path below "
            "DATASET.FOLDER.PATH, or none to take the folders' names."
        )
    pairs = []
    for number, line in read_lines(path):
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 2 or not all(fields):
            raise malformed(path, number, line, "'<folder><tab><class name>'")
        pairs.append((number, *fields))
    refuse_repeats(path, [(number, folder) for number, folder, _ in pairs], "folder")
    names = {folder: name for _, folder, name in pairs}
    lacking = [name for name in folders if name not in names]
    if lacking:
        raise ValueError(
            f"{path} has no line for {lacking[0]!r}. Each class needs one: "
            "'<folder><tab><class name>'."
        )
    unused = [name for name in names if name not in folders]
    if unused:
        print(f"Note: {len(unused)} lines of {path} name no folder: {', '.join(unused[:3])}")
    return {name: names[name] for name in folders}


def _header(path: str, text: str) -> tuple[list[str], str]:
    """The names of the columns, and what separates them."""
    first = next(line for line in text.split("\n") if line.strip())
    found = []
    for separator in SEPARATORS:
        try:
            fields = next(csv.reader([first], delimiter=separator, skipinitialspace=True))
        except csv.Error as error:
            raise ValueError(f"{path}: its first line is none of columns ({error}).") from error
        found.append(([field.strip().lower() for field in fields], separator))
    header, separator = max(found, key=lambda pair: len(pair[0]))
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise ValueError(f"{path} has the column {twice[0]} twice: {header}. Remove one.")
    if not {"image", "class"} <= set(header):
        raise ValueError(
            f"{path} must have a first line with the columns image and class (and split, if "
            f"wanted), separated by commas, semicolons or tabs; got {header}."
        )
    return header, separator


def _rows(path: str, text: str, header: list[str], separator: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)
    filled, number = [], 1  # of the line that a row begins in
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                filled.append((number, fields))
            number = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f'{path}, line {number}: {error}. Look for a quote (") that is not closed, and for a '
            "value that is no path or class name."
        ) from error
    for number, fields in filled[1:]:
        values = [field.strip() for field in fields]
        if len(values) > len(header) or any("\n" in value for value in values):
            raise ValueError(
                f"{path}, line {number}: got {values} for the columns {', '.join(header)}. A value "
                'that holds the separator stands in quotes ("), and each quote is closed.'
            )
        row = dict(zip(header, values, strict=False))
        if not row.get("image") or not row.get("class"):
            raise ValueError(f"{path}, line {number} lacks an image or a class: {values}.")
        yield number, row | {"image": posixpath.normpath(row["image"])}
