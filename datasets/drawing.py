"""Data sets that are drawn: PNG files and a split json in CoOp's format, on first use.

Such a set is a folder `<root>/<folder>/` with `images/<class>/<split>_<n>.png` and its split file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from whole_files import beside, sweep


class DrawnSet(Protocol):
    """What can be drawn.

    Attributes:
        name: as registered.
        folder: below the root.
        about: a few words for the log.
        template: the sentence around a class name.
        version: another one when a pixel is another one.
        split_file: name of the split json.
        classnames: in the order of the labels.
        per_class: images a class of each split.
    """

    name: str
    folder: str
    about: str
    template: str
    version: int | str
    split_file: str
    classnames: list[str]
    per_class: dict[str, int]

    def images(self, classname: str, split: str) -> np.ndarray:
        """Those of one class and split, uint8 [N, S, S, 3]; a function of its arguments alone."""


def draw(dataset: DrawnSet, root: Path, *, progress: Callable[[str], None] = print) -> Path:
    """Draws the data set under `root` unless it is there already; returns its folder.

    The folder appears under its name only when it is whole, so a killed run leaves nothing that
    looks finished, and two runs that draw at the same time do not disturb each other. What killed
    ones left half drawn is deleted.

    Raises:
        OSError: it cannot be written; names the folder.
        ValueError: the folder exists but holds something else, or another version's images.
    """
    folder = root / dataset.folder
    sweep(root, folder.name)
    if folder.exists():
        _check_version(dataset, folder)
        return folder
    version = dataset.version
    root.mkdir(parents=True, exist_ok=True)
    progress(f"Drawing {dataset.name} ({dataset.about}) into {folder}")
    partial = beside(folder)
    partial.mkdir()
    try:
        split_lists = _write_classes(dataset, partial)
        about = {"version": version, "template": dataset.template}
        content = json.dumps(about | split_lists, indent=0)
        (partial / dataset.split_file).write_text(content)
        try:
            os.rename(partial, folder)
        except OSError:
            if not folder.exists():
                raise
            _check_version(dataset, folder)  # another run was faster, and drew the same
    except OSError as error:  # a write that fails knows no name, and the hidden one is gone
        raise OSError(error.errno, error.strerror or str(error), str(folder)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write_classes(dataset: DrawnSet, folder: Path) -> dict[str, list]:
    """Draws all classes, in threads; the entries of each split."""
    tasks = [(name, split) for name in dataset.classnames for split in dataset.per_class]
    split_lists: dict[str, list] = {split: [] for split in dataset.per_class}
    with ThreadPoolExecutor() as pool:
        parts = pool.map(lambda task: _write_class(dataset, *task, folder), tasks)
        try:
            for (_, split), part in zip(tasks, parts, strict=True):
                split_lists[split] += part
        except BaseException:  # a full disk, a signal: the rest need not be drawn first
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return split_lists


def _check_version(dataset: DrawnSet, folder: Path) -> None:
    path = folder / dataset.split_file
    found = json.loads(path.read_text()).get("version") if path.is_file() else None
    if found != dataset.version:
        raise ValueError(
            f"{folder} does not hold this version's {dataset.name} (version {found}, expected "
            f"{dataset.version}). Delete the folder, or choose another DATASET.ROOT; it is drawn "
            "afresh."
        )


def _write_class(dataset: DrawnSet, classname: str, split: str, folder: Path) -> list[list]:
    entries = []
    subfolder = classname.replace(" ", "_").replace("/", "_")
    (folder / "images" / subfolder).mkdir(parents=True, exist_ok=True)
    for index, pixels in enumerate(dataset.images(classname, split)):
        path = f"{subfolder}/{split}_{index:02d}.png"
        Image.fromarray(pixels).save(folder / "images" / path, compress_level=1)
        entries.append([path, dataset.classnames.index(classname), classname])
    return entries
