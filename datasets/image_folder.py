"""Your own images, by configuration alone: see configs/datasets/folder.yaml.

A folder with `train/<class>/...` and `test/<class>/...` (`val/` may be there), or with one folder
per class, which is split once, or any tree with a list: a csv or a split file in CoOp's form.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from yacs.config import CfgNode

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset
from datasets.image_files import why_unreadable
from datasets.image_list import read_classnames, read_list
from datasets.kept_picks import list_suffix
from datasets.listing import IMAGE_SUFFIXES, images_by_folder, list_folders, split_50_20_30
from datasets.split_file import SPLIT_NAMES, Splits, find_images, read_split, save_split

OWN_SPLIT = "split_50_20_30.json"


@DATASET_REGISTRY.register()
class ImageFolder(CoOpDataset):
    """Images of a user's; reads the keys of DATASET.FOLDER.

    PATH: the folder, below DATASET.ROOT or absolute; "" is DATASET.ROOT itself.
    SPLIT: a list of the images in it: a table with the columns image, class and, if wanted, split
        (train, val, test), or json in CoOp's form. "" reads the folders.
    CLASSNAMES: a text file in it, lines "<folder><tab><class name>"; "" takes the folders' names.
    SKIP_UNREADABLE: leave out images that cannot be decoded; all are decoded once to find out.

    Raises:
        FileNotFoundError: the folder, the list or images are missing.
        ValueError: a list is malformed, or a class has no image to train or to test on.
    """

    config_keys = ("FOLDER",)

    def __init__(self, cfg: CfgNode) -> None:
        self.keys = cfg.DATASET.FOLDER
        super().__init__(cfg)

    @property
    def title(self) -> str:
        """Name in results: two folders are two data sets."""
        return os.path.basename(self.dataset_dir)

    def locate(self, root: str) -> None:
        """All images are below the one folder."""
        path = os.path.expanduser(self.keys.PATH)
        self.dataset_dir = self.image_dir = os.path.normpath(os.path.join(root, path))
        self.split_path = os.path.join(self.dataset_dir, self.keys.SPLIT or OWN_SPLIT)

    def read(self, cfg: CfgNode) -> Splits:
        """The splits, each class with images to train and to test on."""
        splits = self._splits()
        own_list = self.keys.SPLIT or self.keys.CLASSNAMES
        if own_list:
            self.picks_suffix = list_suffix(os.path.join(self.dataset_dir, own_list))
        if self.keys.SKIP_UNREADABLE:
            self.picks_suffix += "-readable"  # there may be picks with unreadable images already
            splits = self._without_unreadable(splits)
        self._check_classes(splits)
        return splits

    def _splits(self) -> Splits:
        if self.keys.SPLIT:
            if not os.path.isfile(self.split_path):
                raise FileNotFoundError(
                    f"DATASET.FOLDER.SPLIT: there is no file {self.split_path}. Give its path "
                    "below DATASET.FOLDER.PATH, or none to read the folders."
                )
            return self._from_list()
        folders = list_folders(self.dataset_dir)
        if {"train", "test"} <= set(folders):
            return self._from_three_trees(folders)
        return self._from_one_tree()

    def _from_three_trees(self, folders: list[str]) -> Splits:
        names = self._names(os.path.join(self.dataset_dir, "train"))
        parts = []
        for part in SPLIT_NAMES:
            folder = os.path.join(self.dataset_dir, part)
            unknown = set(list_folders(folder)) - set(names)
            if unknown:
                raise ValueError(
                    f"{folder} has the class {sorted(unknown)[0]!r}, which train/ does not have. "
                    "Every class needs training images."
                )
            parts.append(images_by_folder(folder, names) if part in folders else [])
        train, val, test = parts
        return train, val, test

    def _from_one_tree(self) -> Splits:
        names = self._names(self.dataset_dir)
        items = images_by_folder(self.dataset_dir, names)
        if os.path.isfile(self.split_path):
            splits = read_split(self.split_path, self.image_dir)
            known = {(item.impath, item.classname) for part in splits for item in part}
            if known != {(item.impath, item.classname) for item in items}:
                raise ValueError(
                    f"The images or classes in {self.dataset_dir} are no longer those of its "
                    f"split, {self.split_path}. Delete that file to split anew: results before and "
                    "after are then not comparable."
                )
            return splits
        splits = split_50_20_30(items)
        self._check_classes(splits, list(names.values()))
        save_split(*splits, self.split_path, self.image_dir)
        return splits

    def _names(self, folder: str) -> dict[str, str]:
        """Class name by folder, sorted."""
        folders = [name for name in list_folders(folder) if name != "split_fewshot"]
        if not folders:
            raise FileNotFoundError(
                f"{folder} has no folders, one per class, with images in them. Set DATASET.ROOT "
                "(--root) and DATASET.FOLDER.PATH."
            )
        if not self.keys.CLASSNAMES:
            return {name: name for name in folders}
        return read_classnames(os.path.join(self.dataset_dir, self.keys.CLASSNAMES), folders)

    def _from_list(self) -> Splits:
        entries, is_split = read_list(self.split_path)
        train, val, test = find_images(entries, self.image_dir, named_by=self.split_path)
        return (train, val, test) if is_split else split_50_20_30(train)

    def _without_unreadable(self, splits: Splits) -> Splits:
        items = [item for part in splits for item in part]
        with ThreadPoolExecutor() as pool:
            found = pool.map(why_unreadable, [item.impath for item in items])
            reasons = dict(zip(items, found, strict=True))
        bad = {item: reason for item, reason in reasons.items() if reason}
        if bad:
            print(f"Warning: skipping {len(bad)} of {len(items)} images that cannot be read:")
            for item, reason in bad.items():
                print(f"  {os.path.relpath(item.impath, self.image_dir)}: {reason}")
        train, val, test = ([item for item in part if item not in bad] for part in splits)
        return train, val, test

    def _check_classes(self, splits: Splits, names: Iterable[str] = ()) -> None:
        train, _, test = ({item.classname for item in part} for part in splits)
        for name in sorted({item.classname for part in splits for item in part} | set(names)):
            for part, found in (("train", train), ("test", test)):
                if name not in found:
                    raise ValueError(
                        f"Class {name!r} in {self.dataset_dir} has no image to {part}. Add images "
                        f"({', '.join(IMAGE_SUFFIXES)}; an automatic split needs 3 a class), or "
                        "give a split."
                    )
