"""What a look at a data set found: images of each part, what is wrong, and what one should know."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tqdm import tqdm

from datasets.entries import SPLIT_NAMES, Entries
from datasets.image_files import examine
from datasets.listing import some
from datasets.remarks import LOW_WHITE, same_words, shared_by_content, shared_by_path
from datasets.split_file import missing_images


@dataclass(frozen=True)
class Finding:
    """What is there of one data set.

    Attributes:
        state: found, incomplete or missing.
        classes: number of classes in it.
        images: of train, val and test that are there.
        remarks: what is wrong, for people.
        notes: what a whole one may have too, and people should know.
        source: where it comes from.
        expected: numbers of classes and images of a whole one, where they are known.
    """

    name: str
    state: str
    classes: int = 0
    images: tuple[int, ...] = (0, 0, 0)
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    expected: tuple[int, ...] = ()


@dataclass
class Look:
    """Images that are there, and can be read if that was asked; and what was seen on the way.

    Attributes:
        missing: remarks on files that are not there.
        unreadable: remarks on files that cannot be decoded.
        notes: on images that parts share or that are almost black, and on names of classes.
    """

    entries: Entries
    missing: list[str]
    unreadable: list[str]
    notes: list[str]

    @property
    def images(self) -> tuple[int, ...]:
        """How many of train, val and test."""
        return tuple(len(self.entries[part]) for part in SPLIT_NAMES)

    @property
    def classes(self) -> int:
        """How many labels occur."""
        return len({label for part in SPLIT_NAMES for _, label, _ in self.entries[part]})


def look_at(entries: Entries, image_dir: str, name: str, *, deep: bool) -> Look:
    """Looks for the images of a data set, and with `deep` into them.

    Args:
        entries: what should be there.
        image_dir: that their paths start from.
        name: for the progress bar.
        deep: decode each image, and compare the content of those of equal size.
    """
    absent = missing_images(entries, image_dir)
    missing = [_in_words("missing", absent, image_dir)] if absent else []
    present = _without(entries, set(absent))
    bad, dark = _examine(present, image_dir, name) if deep else ({}, [])
    described = [f"{image} ({reason})" for image, reason in bad.items()]
    unreadable = [_in_words("unreadable", described, image_dir)] if bad else []
    present = _without(present, set(bad))
    parts = {
        part: [os.path.join(image_dir, entry[0]) for entry in present[part]] for part in SPLIT_NAMES
    }
    classes = dict(entry[1:] for part in SPLIT_NAMES for entry in entries[part])
    notes = [*same_words(list(classes.values())), *shared_by_path(parts, image_dir)]
    notes += shared_by_content(parts, image_dir) if deep else []
    if dark:
        notes.append(
            f"images that are almost black as they are read: {len(dark):,} ({some(dark)}); "
            f"{LOW_WHITE}"
        )
    return Look(present, missing, unreadable, notes)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what a data set prints from the console."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _without(entries: Entries, absent: set[str]) -> Entries:
    return {
        part: [entry for entry in entries[part] if entry[0] not in absent] for part in SPLIT_NAMES
    }


def _examine(entries: Entries, image_dir: str, name: str) -> tuple[dict[str, str], list[str]]:
    """What is wrong by image, and the images that are almost black."""
    images = [entry[0] for part in SPLIT_NAMES for entry in entries[part]]
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda image: examine(os.path.join(image_dir, image)), images)
        seen = dict(tqdm(zip(images, found, strict=True), total=len(images), desc=name))
    bad = {image: reason for image, (reason, _) in seen.items() if reason}
    return bad, [image for image, (_, is_dark) in seen.items() if is_dark]


def _in_words(what: str, files: list[str], folder: str) -> str:
    return f"{len(files):,} {what} in {folder}: {some(files)}"
