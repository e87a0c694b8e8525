"""Your own images, by configuration alone: see configs/datasets/folder.yaml.

A folder with `train/<class>/...` and `test/<class>/...` (`val/` may be there), or with one folder
per class, which is split once, or any tree with a list: a csv or a split file in CoOp's form.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from yacs.config import CfgNode

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset
from datasets.entries import SPLIT_NAMES
from datasets.folder_classes import check_every_part, check_known
from datasets.folder_layout import Layout, class_folders, recognise
from datasets.image_files import examine
from datasets.image_list import read_classnames, read_list
from datasets.kept_picks import list_suffix
from datasets.left_out import left_out_of_folders, left_out_of_list
from datasets.listing import images_by_folder, printable, some, split_50_20_30
from datasets.own_data import identity_of
from datasets.remarks import almost_black
from datasets.split_file import Splits, find_images, read_split, save_split

OWN_SPLIT = "split_50_20_30.json"
TEMPLATE_YAML = "folder"  # configs/datasets/folder.yaml names no data set, it is to be copied
KEYS = MappingProxyType(  # of DATASET.FOLDER, as promptkit/runs/merged_config.py has them
    {"NAME": "", "PATH": "", "SPLIT": "", "CLASSNAMES": "", "SKIP_UNREADABLE": False}
)


@DATASET_REGISTRY.register()
class ImageFolder(CoOpDataset):
    """Images of a user's; reads the keys of DATASET.FOLDER.

    NAME: of the data set in results; "" takes the name of its yaml (see `name_by_yaml`), or of the
        folder.
    PATH: the folder, below DATASET.ROOT or absolute; "" is DATASET.ROOT itself.
    SPLIT: a list of the images in it: a table with the columns image, class and, if wanted, split
        (train, val, test), or json in CoOp's form. "" reads the folders.
    CLASSNAMES: a text file in it, lines "<folder><tab><class name>"; "" takes the folders' names.
    SKIP_UNREADABLE: leave out images that cannot be decoded; all are decoded once to find out.

    Attributes:
        identity: which images these are, see `identity_of`.
        remarks: how the folder was read, and what was left out.
        layout: how the folder is read; empty with a list, and so is
        classnames_by_folder: class name by class folder, sorted.

    Raises:
        FileNotFoundError: the folder, the list or images are missing.
        ValueError: a list is malformed or there are two of class names, the folder can be read in
            more than one way, a class has no image to train or to test on, or another data set has
            the name.
    """

    config_keys = ("FOLDER",)

    def __init__(self, cfg: CfgNode) -> None:
        self.keys = cfg.DATASET.FOLDER
        if not self.keys.NAME.isprintable() or "/" in self.keys.NAME:
            raise ValueError(
                "DATASET.FOLDER.NAME must be one line of letters and signs, without /; got "
                f"{self.keys.NAME!r}."
            )
        super().__init__(cfg)

    @property
    def title(self) -> str:
        """Name in results."""
        return self.keys.NAME or os.path.basename(self.dataset_dir)

    @property
    def origin(self) -> str:
        """The list or the folder that says which images belong to it."""
        return self.split_path if self.keys.SPLIT else self.dataset_dir

    def locate(self, root: str) -> None:
        """All images are below the one folder."""
        path = os.path.expanduser(self.keys.PATH)
        self.dataset_dir = self.image_dir = os.path.normpath(os.path.join(root, path))
        self.split_path = os.path.join(self.dataset_dir, self.keys.SPLIT or OWN_SPLIT)
        self.remarks: list[str] = []
        if self.title in DATASET_REGISTRY.registered_names():
            raise ValueError(
                f"{self.dataset_dir}: {self.title} is another data set's name, whose rows of "
                "tables it would share. Set DATASET.FOLDER.NAME, or call its yaml otherwise."
            )

    @classmethod
    def name_by_yaml(cls, cfg: CfgNode, path: str) -> None:
        """Hook of the merged config: a set without a name is called as its yaml at `path` is."""
        stem = os.path.splitext(os.path.basename(path))[0]
        if stem != TEMPLATE_YAML:
            cfg.DATASET.FOLDER.NAME = cfg.DATASET.FOLDER.NAME or stem

    def how_to_get(self, given_root: str) -> str:
        """It is the user's."""
        return (
            f"Set DATASET.FOLDER.PATH (now {self.keys.PATH!r}) to it, absolute or below "
            "DATASET.ROOT (--root; DATA of the scripts)."
        )

    def read(self, cfg: CfgNode) -> Splits:
        """The splits, each class with images to train and to test on."""
        splits = self.find()
        for remark in self.remarks:
            print(f"{self.title}: {remark}")
        check_every_part(splits, self.origin, self.classnames_by_folder)
        if not self.keys.SPLIT and not self.layout.parts and not os.path.isfile(self.split_path):
            save_split(*splits, self.split_path, self.image_dir)
        own_list = self.keys.SPLIT or self.keys.CLASSNAMES
        if own_list:
            self.picks_suffix = list_suffix(os.path.join(self.dataset_dir, own_list))
        if self.keys.SKIP_UNREADABLE:
            self.picks_suffix += "-readable"  # there may be picks with unreadable images already
            splits = self._without_unreadable(splits)
            check_every_part(splits, self.origin, self.classnames_by_folder)
        if not splits[1] and cfg.TEST.FINAL_MODEL == "best_val":
            print(
                f"Warning: {self.title} has no images to validate on, so that TEST.FINAL_MODEL "
                "best_val chooses the epoch by the test images: the accuracy is too high."
            )
        images = [item.impath for items in splits for item in items]
        for remark in almost_black(images, self.dataset_dir):
            print(f"Warning: {self.title}: {remark}")
        self.identity = identity_of(splits, self.dataset_dir, self.keys.SPLIT)
        return splits

    def find(self) -> Splits:
        """The splits as the list or the folders have them, and the remarks; writes nothing."""
        self.layout, self.classnames_by_folder = Layout({}, []), {}
        if self.keys.SPLIT:
            if self.keys.CLASSNAMES:
                raise ValueError(
                    f"DATASET.FOLDER.CLASSNAMES ({self.keys.CLASSNAMES}) has no effect with "
                    f"DATASET.FOLDER.SPLIT: the list {self.keys.SPLIT} has the class names. Leave "
                    "one of them out."
                )
            splits = self._from_list()
            images = [item.impath for items in splits for item in items]
            self.remarks = left_out_of_list(self.split_path, images)
            return splits
        self.layout = recognise(self.dataset_dir)
        self.remarks = [*self.layout.remarks]
        self.remarks += left_out_of_folders(self.dataset_dir, self.layout)
        self.classnames_by_folder = self._names(self.layout.classes)
        return self._from_parts() if self.layout.parts else self._from_one_tree()

    def _from_list(self) -> Splits:
        if not os.path.isfile(self.split_path):
            raise FileNotFoundError(
                f"DATASET.FOLDER.SPLIT: there is no file {self.split_path}. Give its path "
                "below DATASET.FOLDER.PATH, or none to read the folders."
            )
        entries, is_split = read_list(self.split_path)
        if not any(entries.values()):
            raise ValueError(f"{self.split_path} names no image. Write or download it again.")
        train, val, test = find_images(entries, self.image_dir, named_by=self.split_path)
        return (train, val, test) if is_split else split_50_20_30(train)

    def _from_parts(self) -> Splits:
        parts = []
        for name in SPLIT_NAMES:
            folder = self.layout.parts.get(name)
            if folder:
                check_known(folder, class_folders(folder), self.layout.classes)
            parts.append(images_by_folder(folder, self.classnames_by_folder) if folder else [])
        train, val, test = parts
        return train, val, test

    def _from_one_tree(self) -> Splits:
        items = images_by_folder(self.dataset_dir, self.classnames_by_folder)
        if not os.path.isfile(self.split_path):
            return split_50_20_30(items)
        splits = read_split(self.split_path, self.image_dir)
        kept = {(item.impath, item.classname) for part in splits for item in part}
        found = {(item.impath, item.classname) for item in items}
        if kept != found:
            raise ValueError(
                f"The images or classes in {self.dataset_dir} are no longer those of its split, "
                f"{self.split_path}: {self._listed(found - kept)} are new, "
                f"{self._listed(kept - found)} gone or of another class. Delete that file to split "
                "anew: results before and after are then not comparable."
            )
        return splits

    def _listed(self, images: set[tuple[str, str]]) -> str:
        paths = sorted(os.path.relpath(path, self.image_dir) for path, _ in images)
        return f"{len(paths):,} ({some(paths)})" if paths else "none"

    def _names(self, folders: list[str]) -> dict[str, str]:
        """Class name by folder, sorted.

        Raises:
            ValueError: a folder's name is no text, or has no line in the list of names.
        """
        foreign = [name for name in folders if printable(name) != name]
        if foreign:
            raise ValueError(
                f"{self.dataset_dir} has class folders whose names are not UTF-8: "
                f"{len(foreign):,} ({some(foreign)}). Rename them, or unpack the archive with the "
                "encoding that it was made with (GBK, SHIFT_JIS, ...)."
            )
        if not self.keys.CLASSNAMES:
            return {name: name for name in folders}
        return read_classnames(os.path.join(self.dataset_dir, self.keys.CLASSNAMES), folders)

    def _without_unreadable(self, splits: Splits) -> Splits:
        items = [item for part in splits for item in part]
        with ThreadPoolExecutor() as pool:
            found = pool.map(examine, [item.impath for item in items])
            bad = {item: reason for item, (reason, _) in zip(items, found, strict=True) if reason}
        if bad:
            print(f"Warning: skipping {len(bad)} of {len(items)} images that cannot be read:")
            for item, reason in bad.items():
                path = os.path.relpath(item.impath, self.image_dir)
                print(f"  {printable(path)}: {reason}")
        train, val, test = ([item for item in part if item not in bad] for part in splits)
        return train, val, test
