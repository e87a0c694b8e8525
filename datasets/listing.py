"""Folders of images: sorted listings, and random splits of what is in them.

Sorted, because few-shot picks depend on the order and a file system's own order differs between
machines. One listing a folder: asking for each of a million files alone takes minutes.
"""

from __future__ import annotations

import os
import random

from dassl.data.datasets import Datum
from datasets.entries import make_datum

IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".ppm",
    ".pgm",
    ".tif",
    ".tiff",
    ".jfif",
    ".jp2",
    ".avif",
    ".tga",
)
SPLIT_SEED = 1  # of random splits: they do not depend on the run's seed


def list_files(folder: str) -> list[str]:
    """Sorted names of the files in a folder, none that are hidden; empty if there is no folder."""
    return sorted(_names(folder, files=True))


def list_folders(folder: str) -> list[str]:
    """Sorted names of the folders in a folder."""
    return sorted(_names(folder, files=False))


def some(names: list[str], count: int = 3) -> str:
    """The first names in words, and how many more there are."""
    more = f" and {len(names) - count:,} more" if len(names) > count else ""
    return ", ".join(map(printable, names[:count])) + more


def printable(name: str) -> str:
    """A file's name with bytes that are no UTF-8 escaped: not every console takes them."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def list_images(folder: str) -> list[str]:
    """Sorted names of the image files in a folder, by their suffix."""
    return [name for name in list_files(folder) if name.lower().endswith(IMAGE_SUFFIXES)]


def _names(folder: str, *, files: bool) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [e.name for e in entries if e.is_dir() != files and not e.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def images_below(folder: str, above: tuple[str, ...] = ()) -> list[str]:
    """Image files in the folders below a folder, not in itself; paths relative to it.

    Args:
        folder: that is looked through.
        above: the folders that it is in, without links.

    Raises:
        ValueError: a link leads back to a folder that it is in.
    """
    above, found = (*above, os.path.realpath(folder)), []
    for inner in list_folders(folder):
        path = os.path.join(folder, inner)
        if os.path.realpath(path) in above:
            raise ValueError(f"{path} is a link to a folder that it is in: take it away.")
        found += (os.path.join(inner, x) for x in (*list_images(path), *images_below(path, above)))
    return found


def images_by_folder(image_dir: str, classnames: dict[str, str]) -> list[Datum]:
    """The images of one folder per class; labels count the folders in the order given.

    Args:
        image_dir: holds the folders.
        classnames: class name by folder.
    """
    return [
        make_datum(os.path.join(image_dir, folder, name), label, classname)
        for label, (folder, classname) in enumerate(classnames.items())
        for name in list_images(os.path.join(image_dir, folder))
    ]


def split_by_class(items: list[Datum], *shares: float) -> list[list[Datum]]:
    """Deals each class's images at random into `len(shares) + 1` lists; the last takes the rest.

    Of n images a share s gets round(n s), but the last list gets one at least. As CoOp does it, but
    with a seed of its own.
    """
    generator = random.Random(SPLIT_SEED)
    by_label: dict[int, list[Datum]] = {}
    for item in items:
        by_label.setdefault(item.label, []).append(item)
    parts: list[list[Datum]] = [[] for _ in range(len(shares) + 1)]
    for images in by_label.values():
        generator.shuffle(images)
        start = 0
        for part, share in zip(parts, shares, strict=False):
            stop = min(start + round(share * len(images)), len(images) - 1)
            part += images[start:stop]
            start = stop
        parts[-1] += images[start:]
    return parts


def split_50_20_30(items: list[Datum]) -> tuple[list[Datum], list[Datum], list[Datum]]:
    """CoOp's split of data sets that come in one piece."""
    print("Splitting into 50% train, 20% val, and 30% test")
    train, val, test = split_by_class(items, 0.5, 0.2)
    return train, val, test
