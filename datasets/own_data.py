"""Which images a user's data set holds, so that results of different ones are not put together."""

from __future__ import annotations

import hashlib
import os

from datasets.content import kept_checksums
from datasets.entries import SPLIT_NAMES
from datasets.split_file import Splits


def identity_of(splits: Splits, folder: str, list_name: str) -> dict[str, str]:
    """What must agree between results that share a row.

    Args:
        splits: all images, before shots and classes are chosen.
        folder: absolute path that the images are below.
        list_name: DATASET.FOLDER.SPLIT.

    Returns:
        path: the folder; list: the list's name; images_sha256: of the sorted lines of part,
        relative path, sha256 of the file and class name, with tabs between.
    """
    sums = kept_checksums([item.impath for items in splits for item in items], folder)
    lines = sorted(
        f"{part}\t{os.path.relpath(item.impath, folder)}\t{sums[item.impath]}\t{item.classname}"
        for part, items in zip(SPLIT_NAMES, splits, strict=True)
        for item in items
    )
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return {"path": folder, "list": list_name, "images_sha256": digest}
