"""What a person should know of images that are used as they are: shared by parts, or few."""

from __future__ import annotations

import os
from collections import Counter, defaultdict

from dassl.data.datasets import Datum
from datasets.content import checksum
from datasets.image_files import examine
from datasets.listing import some

SAMPLE = 16  # images that are decoded to see whether a set is dark
LOW_WHITE = (
    "if their white is darker than that of their kind (12 bits in 16, masks of 0 and 1), save them "
    "with 8 bits and white as 255"
)
PAIRS = (("train", "test"), ("train", "val"), ("val", "test"))


def shared_by_path(parts: dict[str, list[str]], folder: str) -> list[str]:
    """A remark for each two parts that hold the same files, and each that holds one twice.

    Args:
        parts: paths of the images by part.
        folder: that the remarks count paths from.
    """
    files = {part: set(map(_plain, paths)) for part, paths in parts.items()}
    remarks = []
    for part, paths in parts.items():
        if len(files[part]) < len(paths):
            counts = Counter(map(_plain, paths))
            twice = sorted(os.path.relpath(path, folder) for path in counts if counts[path] > 1)
            remarks.append(
                f"images that {part} holds more than once: {len(twice):,} ({some(twice)}); each "
                "counts as often"
            )
    for first, second in PAIRS:
        shared = sorted(os.path.relpath(path, folder) for path in files[first] & files[second])
        if shared:
            remarks.append(_in_words(f"also in {first}", second, shared))
    return remarks


def shared_by_content(parts: dict[str, list[str]], folder: str) -> list[str]:
    """A remark for each two parts that hold different files of the same bytes.

    Args:
        parts: paths of the images by part; all are there. Only files of equal size are read.
        folder: that the remarks count paths from.
    """
    files = {part: sorted(set(map(_plain, paths))) for part, paths in parts.items()}
    by_size = defaultdict(list)
    for path in set().union(*files.values()):
        by_size[os.path.getsize(path)].append(path)
    content = {
        path: checksum(path) for paths in by_size.values() if len(paths) > 1 for path in paths
    }
    remarks = []
    for first, second in PAIRS:
        known = defaultdict(set)
        for path in files[first]:
            known[content.get(path)].add(path)
        copies = [
            f"{os.path.relpath(path, folder)} of {os.path.relpath(min(others), folder)}"
            for path in files[second]
            if path in content and (others := known[content[path]] - {path})
        ]
        if copies:
            remarks.append(_in_words(f"copies of images of {first}", second, copies))
    return remarks


def same_words(classnames: list[str]) -> list[str]:
    """A remark on classes whose names CLIP cannot tell apart: case, underscores, more blanks."""
    groups = defaultdict(list)
    for name in classnames:
        groups[" ".join(name.lower().replace("_", " ").split())].append(repr(name))
    alike = [" = ".join(names) for names in groups.values() if len(names) > 1]
    if not alike:
        return []
    return [f"class names that are the same words to CLIP: {len(alike):,} ({some(alike)})"]


def few_images(train: list[Datum], shots: int) -> list[str]:
    """A remark on classes that have fewer training images than shots are asked for."""
    counts = Counter((item.label, item.classname) for item in train)
    few = [f"{name} ({count})" for (_, name), count in sorted(counts.items()) if count < shots]
    if not few:
        return []
    return [
        f"classes with fewer than {shots} images to train on, of which all are taken: {len(few):,} "
        f"of {len(counts):,} ({some(few, 10)})"
    ]


def almost_black(images: list[str], folder: str) -> list[str]:
    """A remark where most of a sample of images come out almost black; the others may be night.

    Args:
        images: their paths.
        folder: that the remark counts paths from.
    """
    sample = images[:: max(1, len(images) // SAMPLE)][:SAMPLE]
    dark = [path for path in sample if examine(path)[1]]
    if 2 * len(dark) <= len(sample):
        return []
    names = [os.path.relpath(path, folder) for path in dark]
    return [
        f"of {len(sample):,} images looked at {len(dark):,} are almost black as they are read "
        f"({some(names)}); {LOW_WHITE}"
    ]


def _in_words(what: str, part: str, files: list[str]) -> str:
    return (
        f"images of {part} that are {what}: {len(files):,} ({some(files)}); they say nothing about "
        "new images"
    )


def _plain(path: str) -> str:
    """A path without detours, so that one file has one; most have none."""
    return os.path.normpath(path) if "/." in path or "//" in path else path
