"""Entries: images by path, label and class name, as every list of images holds them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dassl.data.datasets import Datum

Entry = tuple[str, int, str]  # path, label, class name
Entries = dict[str, list[Entry]]  # by the name of the split, with relative paths
SPLIT_NAMES = ("train", "val", "test")


def make_datum(impath: str, label: int, classname: str) -> Datum:
    """The one place where these data sets make a Datum, of an image that a listing has shown.

    Datum's own constructor asks the file system for each image again, minutes for ImageNet's.
    """
    item = Datum.__new__(Datum)
    item._impath, item._label, item._domain, item._classname = impath, label, 0, classname
    return item


def check_classes(entries: Entries, *, named_by: str) -> None:
    """Holds all splits against one table, label to class name, which is that of train.

    A name may have two labels, as in ImageNet. Without images in train the first split that has
    any makes the table: test sets are such lists.

    Raises:
        ValueError: a label has two names, or train lacks it.
    """
    names: dict[int, str] = {}
    origin: dict[int, str] = {}
    parts = [part for part in SPLIT_NAMES if entries[part]]
    for part in parts:
        for image, label, name in entries[part]:
            if label not in names and part != parts[0]:
                alike = next((x for x in names.values() if _same_letters(x, name)), None)
                hint = f", or the name: {alike!r} is there" if alike else ""
                raise ValueError(
                    f"{named_by}: label {label}, {name!r}, of {part} ({image}) has no image in "
                    f"{parts[0]}, which has {len(names)} classes. Add images, or correct the "
                    f"label{hint}."
                )
            if label not in names:
                names[label], origin[label] = name, f"{part} ({image})"
            elif names[label] != name:
                raise ValueError(
                    f"{named_by}: label {label} is {names[label]!r} in {origin[label]} and "
                    f"{name!r} in {part} ({image}). Give each label one name, the same everywhere."
                )


def _same_letters(one: str, other: str) -> bool:
    """Whether two names differ in nothing but case, blanks and underscores."""
    one, other = ("".join(name.lower().replace("_", " ").split()) for name in (one, other))
    return one == other


def as_lists(items: Iterable[Datum], folder: str) -> list[list]:
    """Items as json keeps them: [path from `folder` with slashes, label, class name]."""
    return [
        [os.path.relpath(item.impath, folder).replace(os.sep, "/"), item.label, item.classname]
        for item in items
    ]
