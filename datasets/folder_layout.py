"""What a folder of images is: parts with class folders, class folders, or something to be mended.

Parts are called train, val and test in any case, or training, valid, validation, testing. Where
more than one reading is possible none is taken: the message says what was found and what to do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from datasets.listing import images_below, list_folders, list_images, some

PART_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
NO_CLASSES = ("__MACOSX", "split_fewshot")  # what archives of macOS and few-shot picks lie in


@dataclass(frozen=True)
class Layout:
    """How a folder is read.

    Attributes:
        parts: folder of each part that is there, with class folders in it; or empty, and
        classes: names of the class folders, sorted: those of train, or of the folder itself.
        remarks: what a person should know of the reading.
    """

    parts: dict[str, str]
    classes: list[str]
    remarks: tuple[str, ...] = field(default=())


def class_folders(folder: str) -> list[str]:
    """Sorted names of the folders in a folder that may be classes."""
    return [name for name in list_folders(folder) if name not in NO_CLASSES]


def recognise(folder: str) -> Layout:
    """How the images in `folder` are meant.

    Raises:
        FileNotFoundError: there are no folders with images in it.
        ValueError: they can be read in more than one way, or lie a level too deep.
    """
    names = class_folders(folder)
    if not names:
        raise FileNotFoundError(
            f"{folder} has no folders, one per class, with images in them. "
            f"{_what_is_in(folder)}Set DATASET.ROOT (--root) and DATASET.FOLDER.PATH."
        )
    parts = _parts(folder, names)
    if "train" in parts and class_folders(os.path.join(folder, parts["train"])):
        if len(parts) > 1:
            return _three_trees(folder, names, parts)
    if set(names) == set(parts.values()):
        _refuse_parts(folder, parts)
    paths = [os.path.join(folder, name) for name in names]
    if sum(len(list_images(p)) for p in paths) < sum(len(images_below(p)) for p in paths):
        _refuse_depth(folder, names)
    return Layout({}, names)


def _parts(folder: str, names: list[str]) -> dict[str, str]:
    """Name of the folder of each part."""
    parts = {}
    for part, spellings in PART_NAMES.items():
        found = [name for name in names if name.lower() in spellings]
        if len(found) > 1 and all(class_folders(os.path.join(folder, name)) for name in found):
            raise ValueError(
                f"{folder} has {' and '.join(found)}, which both mean {part}. Keep one, or put the "
                "images of both into it."
            )
        if found:
            parts[part] = found[0]
    return parts


def _three_trees(folder: str, names: list[str], parts: dict[str, str]) -> Layout:
    for name in parts.values():
        path = os.path.join(folder, name)
        images = list_images(path)
        if images and not class_folders(path):
            raise ValueError(
                f"{path} holds {len(images):,} images and no folders, one per class, so that their "
                "classes are not known. Sort them into class folders, or give a list "
                "(DATASET.FOLDER.SPLIT); images without classes have no place there."
            )
    remarks = []
    if "test" not in parts:
        remarks.append(
            f"{folder} has no folder test: the images of {parts['val']} are taken as test images, "
            "and none are left to validate on"
        )
        parts = {"train": parts["train"], "test": parts["val"]}
    others = sorted(set(names) - set(parts.values()))
    if others:
        beside = f"folders beside {', '.join(parts.values())}"
        remarks.append(f"left out: {beside}: {len(others):,} ({some(others)})")
    paths = {part: os.path.join(folder, name) for part, name in parts.items()}
    return Layout(paths, class_folders(paths["train"]), tuple(remarks))


def _refuse_parts(folder: str, parts: dict[str, str]) -> None:
    """Only folders that are called like parts, and not enough of them, or without classes."""
    there = ", ".join(f"{name}/" for name in parts.values())
    if "train" not in parts:
        raise ValueError(
            f"{folder} holds {there} and no train/. Every class needs training images: add "
            "train/<class>/, or give a list (DATASET.FOLDER.SPLIT)."
        )
    train = os.path.join(folder, parts["train"])
    if class_folders(train):
        raise ValueError(
            f"{folder} holds only {there}. To have the images of {train} split into train, val and "
            f"test, set DATASET.FOLDER.PATH to {train}; or add test/<class>/."
        )
    if len(parts) > 1:
        raise ValueError(
            f"{folder} holds {there}, but {train} has no folders, one per class. "
            f"{_what_is_in(train)}Sort the images into {parts['train']}/<class>/, or give a list "
            "(DATASET.FOLDER.SPLIT)."
        )


def _refuse_depth(folder: str, names: list[str]) -> None:
    """The folders hold folders with more images than they hold themselves."""
    inner = {name: class_folders(os.path.join(folder, name)) for name in names}
    inner = {name: found for name, found in inner.items() if found}
    first, folders = next(iter(inner.items()))
    start = f"{folder} holds most images more than one level down"
    if len(names) == 1:
        raise ValueError(
            f"{start}: it is one level too high. It holds only {first}/, and that {some(folders)}. "
            f"Set DATASET.FOLDER.PATH to {os.path.join(folder, first)}."
        )
    shared = set.intersection(*(set(map(str.lower, found)) for found in inner.values()))
    if len(inner) > 1 and 2 * len(shared) >= max(map(len, inner.values())):
        kind = _kind_of(os.path.join(folder, first), folders)
        raise ValueError(
            f"{start}: {some(list(inner))} hold the same folders ({some(folders)}). {kind}"
        )
    raise ValueError(
        f"{start}: in {some(list(inner))} are folders, in {first}/ {some(folders)}. If those are "
        "the classes, move them up into one folder; if the outer ones are, move the images up into "
        "them; or give a list (DATASET.FOLDER.SPLIT)."
    )


def _kind_of(folder: str, inner: list[str]) -> str:
    """What folders with the same folders in them are, and what to do; `folder` is the first."""
    parts = {name for spellings in PART_NAMES.values() for name in spellings}
    if not {name.lower() for name in inner} <= parts:
        return (
            f"If they are domains, make a yaml for each, with DATASET.FOLDER.PATH {folder} and so "
            "on, or put all into one list (DATASET.FOLDER.SPLIT); if they are parts, call them "
            "train, val and test."
        )
    if any(list_images(os.path.join(folder, name)) for name in inner):
        return (
            "They are classes with parts in them, the wrong way round: make it train/<class>/ and "
            "test/<class>/, or give a list (DATASET.FOLDER.SPLIT)."
        )
    return f"Each is a data set: make a yaml for each, with DATASET.FOLDER.PATH {folder} and so on."


def _what_is_in(folder: str) -> str:
    images = list_images(folder)
    return f"It holds {len(images):,} images itself ({some(images)}). " if images else ""
