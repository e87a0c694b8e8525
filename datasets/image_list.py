"""Lists that a user writes beside images: a csv that names them, a text file of class names."""

from __future__ import annotations

import csv

from datasets.split_file import SPLIT_NAMES, Entries


def read_csv(path: str) -> tuple[Entries, bool]:
    """The entries of a csv with the columns image, class and, if wanted, split.

    Labels count the sorted class names. Without the column, or where it is empty, an image is of
    train.

    Returns:
        The entries, and whether there is a column split.

    Raises:
        ValueError: a column is missing, a line lacks a value, or an image is there twice.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    if not rows or not {"image", "class"} <= set(rows[0]):
        raise ValueError(
            f"{path} must have a first line with the columns image and class (and "
            f"split, if wanted); got {list(rows[0]) if rows else 'no lines'}."
        )
    for number, row in enumerate(rows, 2):
        if not row["image"] or not row["class"]:
            raise ValueError(f"{path}, line {number} lacks an image or a class.")
    images = [row["image"] for row in rows]
    if len(set(images)) < len(images):
        twice = next(image for image in images if images.count(image) > 1)
        raise ValueError(f"{path} has {twice} more than once: one line an image.")
    labels = {name: label for label, name in enumerate(sorted({row["class"] for row in rows}))}
    entries: Entries = {name: [] for name in SPLIT_NAMES}
    for number, row in enumerate(rows, 2):
        part = row.get("split") or "train"
        if part not in entries:
            raise ValueError(
                f"{path}, line {number}: split must be one of "
                f"{', '.join(SPLIT_NAMES)}; got {part!r}."
            )
        entries[part].append((row["image"], labels[row["class"]], row["class"]))
    return entries, "split" in rows[0]


def read_classnames(path: str, folders: list[str]) -> dict[str, str]:
    """Class name by folder, from lines "<folder><tab><class name>".

    Raises:
        ValueError: a folder has no line.
    """
    with open(path, encoding="utf-8") as file:
        pairs = dict(line.rstrip("\n").split("\t", 1) for line in file if "\t" in line)
    lacking = [name for name in folders if name not in pairs]
    if lacking:
        raise ValueError(
            f"{path} has no line for {lacking[0]!r}. Each class needs one: "
            "'<folder><tab><class name>'."
        )
    return {name: pairs[name].strip() for name in folders}
