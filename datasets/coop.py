"""CoOp's form of a data set: a folder of images and one json file that splits them.

A data set in this form is a short class:

    @DATASET_REGISTRY.register()
    class DescribableTextures(CoOpDataset):
        dataset_dir = "dtd"
        image_dir = "images"
        split_file = "split_zhou_DescribableTextures.json"
        template = "{} texture."
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from yacs.config import CfgNode

from dassl.data.datasets import DatasetBase, Datum
from dassl.utils import read_json, write_json
from datasets.few_shot import as_lists, few_shot, make_datum, replacing, subsample_classes

Splits = tuple[list[Datum], list[Datum], list[Datum]]  # train, val, test
SPLIT_NAMES = ("train", "val", "test")


class CoOpDataset(DatasetBase):
    """Reads the split, picks the shots, keeps the classes that the configuration asks for.

    Uses DATASET.ROOT, DATASET.NUM_SHOTS, DATASET.SUBSAMPLE_CLASSES and SEED.

    Attributes:
        dataset_dir: the data set's folder; below DATASET.ROOT on the class, absolute on an object.
        image_dir: the folder that the paths in the split file start from; below `dataset_dir` on
            the class ("" is that folder itself), absolute on an object.
        split_file: name of the split file in `dataset_dir`.
        template: hand-crafted prompt, `{}` stands for the class name.

    Raises:
        FileNotFoundError: the folder, the split file or images are not there.
        ValueError: the split or a kept file of few-shot picks is not usable.
    """

    dataset_dir: str = ""
    image_dir: str = ""
    split_file: str = ""
    template: str = "a photo of a {}."

    def __init__(self, cfg: CfgNode) -> None:
        root = os.path.abspath(os.path.expanduser(cfg.DATASET.ROOT))
        self.dataset_dir = os.path.join(root, type(self).dataset_dir)
        self.image_dir = os.path.normpath(os.path.join(self.dataset_dir, type(self).image_dir))
        self.split_path = os.path.join(self.dataset_dir, self.split_file)
        self.prepare(root)
        self._check_folder(cfg.DATASET.ROOT)
        train, val, test = self._read_or_build_split()
        # Before the classes are chosen: all, base and new share one file of picks.
        train, val = few_shot(
            self,
            train,
            val,
            num_shots=cfg.DATASET.NUM_SHOTS,
            seed=cfg.SEED,
            folder=self.dataset_dir,
            image_dir=self.image_dir,
        )
        train, val, test = subsample_classes(
            train, val, test, subsample=cfg.DATASET.SUBSAMPLE_CLASSES
        )
        super().__init__(train_x=train, val=val, test=test)

    def prepare(self, root: str) -> None:
        """Hook, called before anything is read: make the files below `root` if they are missing."""

    def build_split(self) -> Splits:
        """Hook, called if there is no split file: make the split, which is then saved."""
        raise FileNotFoundError(
            f"{type(self).__name__} has no split file {self.split_path}. Put CoOp's "
            f"{self.split_file} there; without it the split would not be the published one."
        )

    def _check_folder(self, given_root: str) -> None:
        if os.path.isdir(self.dataset_dir):
            return
        images = type(self).image_dir or "the images"
        raise FileNotFoundError(
            f"{type(self).__name__} not found: there is no folder {self.dataset_dir} (DATASET.ROOT "
            f"is {given_root!r}). It must hold {images} and {self.split_file}. Set DATASET.ROOT "
            "(--root) to the folder above it, or get the data as the README tells."
        )

    def _read_or_build_split(self) -> Splits:
        if os.path.isfile(self.split_path):
            return read_split(self.split_path, self.image_dir)
        splits = self.build_split()
        save_split(*splits, self.split_path, self.image_dir)
        return splits


def read_split(path: str, image_dir: str) -> Splits:
    """Reads a split json: train, val and test, each a list of [relative path, label, class name].

    Raises:
        FileNotFoundError: images are missing; names how many, and the first three.
        ValueError: the file is not of this form.
    """
    print(f"Reading split from {path}")
    try:
        split = read_json(path)
    except ValueError as error:
        raise ValueError(f"{path} is not a JSON file ({error}). Download it again.") from error
    if not isinstance(split, dict) or not all(
        isinstance(split.get(name), list) for name in SPLIT_NAMES
    ):
        raise ValueError(f"{path} must hold an object with the lists train, val and test.")
    for name in SPLIT_NAMES:
        for index, entry in enumerate(split[name]):
            _check_entry(entry, f"{path}: entry {index} of {name}")
    _check_images(path, image_dir, [entry[0] for name in SPLIT_NAMES for entry in split[name]])
    train, val, test = (
        [
            make_datum(os.path.join(image_dir, image), label, classname)
            for image, label, classname in split[name]
        ]
        for name in SPLIT_NAMES
    )
    return train, val, test


def save_split(
    train: Iterable[Datum], val: Iterable[Datum], test: Iterable[Datum], path: str, image_dir: str
) -> None:
    """Writes a split json that `read_split` reads, with paths relative to `image_dir`."""
    splits = zip(SPLIT_NAMES, (train, val, test), strict=True)
    split = {name: as_lists(items, image_dir) for name, items in splits}
    with replacing(path) as temporary:
        write_json(split, temporary)
    print(f"Saved split to {path}")


def _check_entry(entry: object, where: str) -> None:
    is_triple = isinstance(entry, list) and [type(value) for value in entry] == [str, int, str]
    if not is_triple or entry[1] < 0:
        raise ValueError(
            f"{where} must be [relative image path, label from 0, class name]; got {entry!r}."
        )


def _check_images(path: str, image_dir: str, images: list[str]) -> None:
    # All missing images are named at once; the first Datum would stop at the first of them.
    listings: dict[str, set[str]] = {}
    missing = []
    for image in images:
        folder, name = os.path.split(os.path.join(image_dir, image))
        if folder not in listings:
            listings[folder] = _list_files(folder)
        if name not in listings[folder]:
            missing.append(image)
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of the {len(images)} images that {path} names are not in {image_dir}: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}. Unpack the images "
            "again, or set DATASET.ROOT (--root) to the folder that holds the whole data set."
        )


def _list_files(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if not entry.is_dir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()
