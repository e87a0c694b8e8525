"""A look at a data set of a user's own, by its yaml or its folder."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from dassl.data.datasets import DATASET_REGISTRY
from datasets.entries import SPLIT_NAMES, as_lists
from datasets.finding import Finding, look_at, quiet
from datasets.folder_classes import check_every_part
from datasets.folder_layout import class_folders
from datasets.image_folder import KEYS, ImageFolder
from datasets.listing import list_images
from datasets.remarks import few_images

CONFIGS = Path(__file__).resolve().parent.parent / "configs/datasets"
SHOTS = 16  # the most that the protocols take


def is_own_folder(path: str) -> bool:
    """Whether a folder holds a user's images: some, or folders, none of them a known data set's."""
    kinds = [DATASET_REGISTRY.get(name) for name in DATASET_REGISTRY.registered_names()]
    known = {kind.dataset_dir.split("/")[0] for kind in kinds}
    path = os.path.expanduser(path)
    folders = class_folders(path)
    return bool(folders or list_images(path)) and not known & set(folders)


def yaml_of(name: str) -> Path | None:
    """The yaml that a word means: a path, or a name in configs/datasets/ with or without .yaml."""
    for path in (Path(name).expanduser(), CONFIGS / name, CONFIGS / f"{name}.yaml"):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return path
    return None


def keys_of(path: Path) -> tuple[str, dict[str, Any]]:
    """DATASET.NAME, and the keys of DATASET.FOLDER over their defaults.

    Raises:
        ValueError: the file is not of this form, or has keys that there are not.
    """
    try:
        node = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("DATASET") or {}
        name, given = str(node.get("NAME", "")), dict(node.get("FOLDER") or {})
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is no yaml with the key DATASET ({error}).") from error
    unknown = sorted(set(given) - set(KEYS))
    if unknown:
        raise ValueError(
            f"{path}: there is no key DATASET.FOLDER.{unknown[0]}; there are {', '.join(KEYS)}."
        )
    stem = path.stem if path.stem != "folder" else ""
    return name, dict(KEYS) | given | {"NAME": given.get("NAME") or stem}


def check_own(root: str, keys: dict[str, Any] | None = None, *, deep: bool = False) -> Finding:
    """Looks at an own data set: the folder `root` itself, or what the keys of its yaml say."""
    dataset = object.__new__(ImageFolder)  # its constructor would stop at the first mistake
    dataset.keys = SimpleNamespace(**dict(KEYS) | (keys or {}))
    try:
        dataset.locate(os.path.abspath(os.path.expanduser(root)))
    except ValueError as error:
        return Finding(dataset.title, "incomplete", remarks=(str(error),))
    name, folder = dataset.title, dataset.dataset_dir
    if not os.path.isdir(folder):
        remark = f"no folder {folder}. {dataset.how_to_get(root)}"
        return Finding(name, "missing", remarks=(remark,), source=folder)
    try:
        with quiet():
            splits = dataset.find()
    except (OSError, ValueError) as error:
        notes = tuple(dataset.remarks)
        return Finding(name, "incomplete", remarks=(str(error),), notes=notes, source=folder)
    parts = zip(SPLIT_NAMES, splits, strict=True)
    entries = {part: as_lists(items, dataset.image_dir) for part, items in parts}
    look = look_at(entries, dataset.image_dir, name, deep=deep)
    notes = [*dataset.remarks, *look.notes, *few_images(splits[0], SHOTS)]
    remarks = []
    if dataset.keys.SKIP_UNREADABLE:
        notes += look.unreadable
    else:
        remarks += look.unreadable
    try:
        check_every_part(splits, dataset.origin, dataset.classnames_by_folder)
    except ValueError as error:
        remarks.append(str(error))
    state = "incomplete" if remarks else "found"
    return Finding(name, state, look.classes, look.images, tuple(remarks), tuple(notes), folder)
