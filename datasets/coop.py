"""CoOp's form of a data set: a folder of images and one json file that splits them.

A data set in this form is a short class:

    @DATASET_REGISTRY.register()
    class DescribableTextures(CoOpDataset):
        dataset_dir = "dtd"
        image_dir = "images"
        split_file = "split_zhou_DescribableTextures.json"
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from yacs.config import CfgNode

from dassl.data.datasets import DatasetBase, Datum
from datasets.class_subset import subsample_classes
from datasets.entries import SPLIT_NAMES, Entries, as_lists
from datasets.few_shot import few_shot
from datasets.kept_picks import KeptPicks
from datasets.remarks import few_images, shared_by_path
from datasets.sources import fetch_command
from datasets.split_file import Splits, published_split, read_entries, read_split, save_split


class CoOpDataset(DatasetBase):
    """Reads the split, picks the shots, keeps the classes that the configuration asks for.

    Uses DATASET.ROOT, DATASET.NUM_SHOTS, DATASET.SUBSAMPLE_CLASSES and SEED.

    Attributes:
        dataset_dir: the data set's folder; below DATASET.ROOT on the class, absolute on an object.
        image_dir: the folder that the paths in the split file start from; below `dataset_dir` on
            the class ("" is that folder itself), absolute on an object.
        split_file: name of the split file in `dataset_dir`.
        picks_suffix: of the files of few-shot picks.
        template: a data set of your own may set it, the sentence around a class name, `{}`; those
            of the benchmarks are in promptkit/prompts/templates.py.
        config_keys: of DATASET, what is read besides those that every data set goes by.
        other_classnames: of the classes that SUBSAMPLE_CLASSES leaves out, in the labels' order.
        test_only: why nothing may be trained on it, and what to do; trainers refuse with it.

    Raises:
        FileNotFoundError: the folder, the split file or images are not there.
        ValueError: the split or a kept file of few-shot picks is not usable.
    """

    dataset_dir: str = ""
    image_dir: str = ""
    split_file: str = ""
    picks_suffix: str = ""
    config_keys: tuple[str, ...] = ()
    test_only: str = ""
    other_classnames: Sequence[str] = ()

    def __init__(self, cfg: CfgNode) -> None:
        root = os.path.abspath(os.path.expanduser(cfg.DATASET.ROOT))
        self.locate(root)
        self.prepare(root)
        self._check_folder(cfg.DATASET.ROOT)
        train, val, test = self.read(cfg)
        self._warn_of_shared_images(train, val, test)
        # Before the classes are chosen: all, base and new share one file of picks.
        train, val = self.pick_shots(cfg, train, val)
        names = {item.label: item.classname for item in train}
        train, val, test = subsample_classes(
            train, self.validation(val, test), test, subsample=cfg.DATASET.SUBSAMPLE_CLASSES
        )
        super().__init__(train_x=train, val=val, test=test)
        kept = set(self.classnames)
        self.other_classnames = [names[x] for x in sorted(names) if names[x] not in kept]

    def locate(self, root: str) -> None:
        """Sets the paths of the data set below an absolute `root`."""
        self.dataset_dir = os.path.join(root, type(self).dataset_dir)
        self.image_dir = os.path.normpath(os.path.join(self.dataset_dir, type(self).image_dir))
        self.split_path = os.path.join(self.dataset_dir, self.split_file)

    def prepare(self, root: str) -> None:
        """Hook, called before anything is read: make the files below `root` if they are missing."""

    def read(self, cfg: CfgNode) -> Splits:
        """The whole splits: of the split file, or as published, or built and then saved."""
        path = self.existing_split()
        if path:
            return read_split(path, self.image_dir)
        own = self.own_split_path()
        if os.path.isfile(own):
            self.warn_of_own_split()
            return read_split(own, self.image_dir)
        splits = self.build_split()
        save_split(*splits, own, self.image_dir)
        return splits

    def entries(self) -> Entries:
        """What `read` would look for, whether it is there or not."""
        path = self.existing_split()
        if path:
            return read_entries(path)
        own = self.own_split_path()
        if os.path.isfile(own):
            return read_entries(own)
        splits = zip(SPLIT_NAMES, self.build_split(), strict=True)
        return {name: as_lists(items, self.image_dir) for name, items in splits}

    def build_split(self) -> Splits:
        """Hook, called if there is no split file: make the split, which is then saved."""
        raise FileNotFoundError(
            f"{type(self).__name__} has no split file {self.split_path}. Put CoOp's "
            f"{self.split_file} there; without it the split would not be the published one."
        )

    def pick_shots(
        self, cfg: CfgNode, train: list[Datum], val: list[Datum]
    ) -> tuple[list[Datum], list[Datum]]:
        """The few shots of train and val that the configuration asks for."""
        for remark in few_images(train, cfg.DATASET.NUM_SHOTS):
            print(f"Warning: {remark}")
        kept = KeptPicks(
            folder=self.dataset_dir,
            image_dir=self.image_dir,
            num_shots=cfg.DATASET.NUM_SHOTS,
            seed=cfg.SEED,
            suffix=self.picks_suffix,
        )
        return few_shot(self, train, val, kept)

    def validation(self, val: list[Datum], test: list[Datum]) -> list[Datum]:
        """The images that choose the best epoch, if one is chosen: val's."""
        return val

    def own_split_path(self) -> str:
        """Where `build_split`'s split is kept: under no published name, if there is one."""
        folder, name = os.path.split(self.split_path)
        is_published = name.startswith("split_zhou_")
        return os.path.join(folder, name.replace("zhou", "own", 1) if is_published else name)

    def warn_of_own_split(self) -> None:
        """Says that the split at hand will not be the published one."""
        print(
            f"Warning: there is no {self.split_path}. Taking a split of our own: accuracies on it "
            f"are not comparable with published ones. CoOp's file: python -m datasets.fetch "
            f"{type(self).__name__}"
        )

    def _warn_of_shared_images(self, *splits: list[Datum]) -> None:
        if splits[0] is splits[2]:  # a test set, whose train only names the classes
            return
        named = zip(SPLIT_NAMES, splits, strict=True)
        parts = {name: [item.impath for item in items] for name, items in named}
        for remark in shared_by_path(parts, self.image_dir):
            print(f"Warning: {remark}")

    def _check_folder(self, given_root: str) -> None:
        if os.path.isdir(self.dataset_dir):
            return
        raise FileNotFoundError(
            f"{type(self).__name__} not found: there is no folder {self.dataset_dir} (DATASET.ROOT "
            f"is {given_root!r}). {self.how_to_get(given_root)}"
        )

    def how_to_get(self, given_root: str) -> str:
        """Hook: what to do where the folder of the data set is missing."""
        command = fetch_command([type(self).__name__], given_root)
        get = f", or get it: {command}" if command else "."
        return f"Set DATASET.ROOT (--root; DATA of the scripts) to the folder above it{get}"

    def existing_split(self) -> str | None:
        """Path of the data set's split file, or of the project's copy of it; None for neither."""
        return (
            self.split_path if os.path.isfile(self.split_path) else published_split(self.split_file)
        )
