"""What lies among a user's images and is not taken, counted for people."""

from __future__ import annotations

import os
from collections import Counter

from datasets.folder_layout import NO_CLASSES, Layout
from datasets.listing import IMAGE_SUFFIXES, images_below, list_images, some

SYSTEM_FILES = ("thumbs.db", "desktop.ini")  # besides what starts with a dot: .DS_Store, ._a.jpg


def left_out_of_folders(folder: str, layout: Layout) -> list[str]:
    """Remarks on all that the class folders of a layout hold besides their images."""
    tops = list(layout.parts.values()) or [folder]
    loose = [_relative(top, name, folder) for top in tops for name in list_images(top)]
    if layout.parts:
        loose += list_images(folder)
    below, suffixes = [], Counter()
    system = [
        _relative(top, name, folder)
        for top in dict.fromkeys((folder, *tops))
        for name in _names(top)
        if _is_of_system(name)
    ]
    for top in tops:
        for name in layout.classes:
            path = os.path.join(top, name)
            below += [_relative(path, image, folder) for image in images_below(path)]
            for entry in _names(path):
                if _is_of_system(entry):
                    system.append(_relative(path, entry, folder))
                elif not entry.lower().endswith(IMAGE_SUFFIXES) and _is_file(path, entry):
                    suffixes[os.path.splitext(entry)[1].lower() or "no suffix"] += 1
    kinds = [f"{suffix} {count:,}" for suffix, count in suffixes.most_common()]
    found = {
        "images in no class folder": _counted(loose),
        "images in folders below class folders": _counted(below),
        "files without the suffix of an image": (suffixes.total(), ", ".join(kinds)),
        "entries of the operating system": _counted(system),
    }
    return [
        f"left out: {what}: {count:,} ({which})" for what, (count, which) in found.items() if count
    ]


def _counted(paths: list[str]) -> tuple[int, str]:
    return len(paths), some(paths)


def left_out_of_list(path: str, images: list[str]) -> list[str]:
    """A remark on images beside those that the list at `path` names, in the same folders.

    Args:
        path: of the list.
        images: paths of the images that it names.
    """
    named = set(map(os.path.normpath, images))
    others = [
        os.path.join(folder, name)
        for folder in sorted({os.path.dirname(image) for image in named})
        for name in list_images(folder)
        if os.path.join(folder, name) not in named
    ]
    names = [os.path.relpath(other, os.path.dirname(path)) for other in others]
    if not names:
        return []
    return [f"left out: images that {path} does not name: {len(names):,} ({some(names)})"]


def _names(folder: str) -> list[str]:
    """Sorted names of all that is in a folder, hidden or not."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_of_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FILES or name == NO_CLASSES[0]


def _is_file(folder: str, name: str) -> bool:
    return os.path.isfile(os.path.join(folder, name))


def _relative(folder: str, name: str, start: str) -> str:
    return os.path.relpath(os.path.join(folder, name), start)
