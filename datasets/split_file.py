"""Split files: one json object, train, val and test, each a list of [path, label, class name].

Paths are relative to the data set's image folder. The published split files of seven data sets come
with this package, compressed, see datasets/splits/README.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from dassl.data.datasets import Datum
from dassl.utils import write_json
from datasets.entries import SPLIT_NAMES, Entries, as_lists, check_classes, make_datum
from datasets.listing import list_files, some
from datasets.text_files import read_json
from whole_files import replacing

Splits = tuple[list[Datum], list[Datum], list[Datum]]  # train, val, test
PUBLISHED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "splits")


def published_split(name: str) -> str | None:
    """Path of the published split file of that name, if it comes with this package."""
    path = os.path.join(PUBLISHED, f"{name}.gz")
    return path if name and os.path.isfile(path) else None


def read_entries(path: str) -> Entries:
    """Reads a split file, which may be compressed (.gz), without looking for its images.

    Raises:
        ValueError: the file is not of this form.
    """
    print(f"Reading split from {path}")
    split = read_json(path)
    if not isinstance(split, dict) or not all(
        isinstance(split.get(name), list) for name in SPLIT_NAMES
    ):
        raise ValueError(
            f"{path} must hold an object with the lists train, val and test; got "
            f"{_contents(split)}."
        )
    more = sorted(name for name in set(split) - set(SPLIT_NAMES) if isinstance(split[name], list))
    if more:
        print(f"Note: {', '.join(map(repr, more))} in {path} is not read, only train, val and test")
    for name in SPLIT_NAMES:
        for index, entry in enumerate(split[name]):
            _check_entry(entry, f"{path}: entry {index} of {name}")
    _check_gaps(split["train"], path)
    return {name: [tuple(entry) for entry in split[name]] for name in SPLIT_NAMES}


def read_split(path: str, image_dir: str) -> Splits:
    """Reads a split file and finds its images.

    Raises:
        FileNotFoundError: images are missing; names how many, and the first three.
        ValueError: the file is not of this form.
    """
    return find_images(read_entries(path), image_dir, named_by=path)


def _check_gaps(train: list[list], path: str) -> None:
    """Labels of train count from 0; a split without train is a test set's."""
    labels = {entry[1] for entry in train}
    lacking = next((label for label in range(len(labels)) if label not in labels), None)
    if lacking is not None:
        raise ValueError(
            f"{path}: label {lacking} has no image in train, whose labels go up to {max(labels)}. "
            "Labels count from 0 without a gap: add images of it, or renumber the labels."
        )


def find_images(entries: Entries, image_dir: str, *, named_by: str) -> Splits:
    """The entries as `Datum` objects.

    Args:
        entries: of all splits.
        image_dir: that their paths start from.
        named_by: the list, for messages.

    Raises:
        FileNotFoundError: images are missing; all at once, where a Datum would stop at the first.
        ValueError: the splits disagree about labels and class names, or a path is none.
    """
    if os.path.dirname(named_by) == PUBLISHED:  # which a user neither sees nor mends
        named_by = f"the published split ({os.path.basename(named_by).removesuffix('.gz')})"
    _name_paths_outside(entries, image_dir, named_by)
    check_classes(entries, named_by=named_by)
    missing = missing_images(entries, image_dir)
    if missing:
        total = sum(map(len, entries.values()))
        hint = "Write / in paths, not \\. " if "\\" in missing[0] else ""
        raise FileNotFoundError(
            f"{len(missing)} of the {total} images that {named_by} names are not in {image_dir}: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}. {hint}Unpack the "
            "images again, or set DATASET.ROOT (--root) to the folder that holds the whole data "
            "set."
        )
    train, val, test = (
        [make_datum(_path(image_dir, image), *rest) for image, *rest in entries[name]]
        for name in SPLIT_NAMES
    )
    return train, val, test


def _name_paths_outside(entries: Entries, image_dir: str, named_by: str) -> None:
    """Says which paths lead out of the folder of images: a list from elsewhere should have none.

    Raises:
        ValueError: a path cannot be one.
    """
    below, outside = os.path.join(image_dir, ""), []
    for image in (entry[0] for name in SPLIT_NAMES for entry in entries[name]):
        # Asked of few: normpath is slow, and ImageNet's paths are a million.
        if image and not image.startswith("/") and ".." not in image and "\0" not in image:
            continue
        if not image or "\0" in image:
            raise ValueError(f"{named_by}: {image!r} is no path of an image. Correct it.")
        if not os.path.normpath(os.path.join(image_dir, image)).startswith(below):
            outside.append(image)
    if outside:
        print(
            f"Warning: {named_by}: {len(outside):,} images lie outside of {image_dir} "
            f"({some(outside)})"
        )


def _path(image_dir: str, image: str) -> str:
    path = os.path.join(image_dir, image)  # a path has one spelling: kept picks are found by it
    return os.path.normpath(path) if "./" in image or "//" in image else path


def missing_images(entries: Entries, image_dir: str) -> list[str]:
    """Relative paths of the entries that are not there; one listing a folder finds out."""
    listings: dict[str, set[str]] = {}
    missing = []
    for image in (entry[0] for name in SPLIT_NAMES for entry in entries[name]):
        folder, name = os.path.split(os.path.join(image_dir, image))
        if folder not in listings:
            listings[folder] = set(list_files(folder))
        if name not in listings[folder]:
            missing.append(image)
    return missing


def save_split(
    train: Iterable[Datum], val: Iterable[Datum], test: Iterable[Datum], path: str, image_dir: str
) -> None:
    """Writes a split file that `read_split` reads, with paths relative to `image_dir`."""
    splits = zip(SPLIT_NAMES, (train, val, test), strict=True)
    split = {name: as_lists(items, image_dir) for name, items in splits}
    with replacing(path) as temporary:
        write_json(split, temporary)
    print(f"Saved split to {path}")


def _check_entry(entry: object, where: str) -> None:
    is_triple = isinstance(entry, list) and [type(value) for value in entry] == [str, int, str]
    if not is_triple or entry[1] < 0 or not entry[2].strip():
        raise ValueError(
            f"{where} must be [relative image path, label from 0, class name]; got {entry!r}."
        )


def _contents(split: object) -> str:
    if isinstance(split, dict):
        kinds = (f"{name!r}: {type(value).__name__}" for name, value in list(split.items())[:5])
        return f"{{{', '.join(kinds)}}}"
    return f"a {type(split).__name__}"
