"""ImageNet (ILSVRC 2012)."""

from __future__ import annotations

import os

from dassl.data.datasets import DATASET_REGISTRY, Datum
from datasets.coop import CoOpDataset
from datasets.few_shot import read_pickled_entries
from datasets.listing import images_by_folder
from datasets.published_names import ImageNetNames
from datasets.split_file import Entries, Splits, find_images
from datasets.wordnet import names_of_folders, read_classnames

CACHE = "preprocessed.pkl"


@DATASET_REGISTRY.register()
class ImageNet(ImageNetNames, CoOpDataset):
    """1,000 classes; test is the official validation part, and so is val, as in CoOp's code.

    Folders and files are sorted. CoOp's code takes them as the file system gives them and keeps
    that order in preprocessed.pkl: picks of a user with such a file need it, so it is read.
    """

    dataset_dir = "imagenet"
    image_dir = "images"
    template = "a photo of a {}."

    def read(self, cfg) -> Splits:
        """train, nothing yet for val, test."""
        cache = os.path.join(self.dataset_dir, CACHE)
        if os.path.isfile(cache):
            print(f"Reading the list of images from {cache}")
            return find_images(self._kept(cache), self.image_dir, named_by=cache)
        train, test = self._listed("train"), self._listed("val")
        labels = {item.label for item in train}
        if {item.label for item in test} != labels or not labels:
            raise FileNotFoundError(
                f"{self.image_dir}/train has images of {len(labels)} classes and val of "
                f"{len({item.label for item in test})}: both must hold one folder per WordNet id. "
                "Unpack ImageNet completely, or set DATASET.ROOT (--root)."
            )
        return train, [], test

    def pick_shots(self, cfg, train: list[Datum], val: list[Datum]) -> tuple[list, list]:
        """Shots of train; no validation images are picked."""
        return super().pick_shots(cfg, train, [])

    def validation(self, val: list[Datum], test: list[Datum]) -> list[Datum]:
        """The test images."""
        return test

    def entries(self) -> Entries:
        """What the folders hold, or the kept list."""
        cache = os.path.join(self.dataset_dir, CACHE)
        if os.path.isfile(cache):
            return self._kept(cache)
        parts = {"train": self._listed("train"), "val": [], "test": self._listed("val")}
        start = len(self.image_dir) + 1
        return {
            name: [(item.impath[start:], item.label, item.classname) for item in items]
            for name, items in parts.items()
        }

    def _listed(self, part: str) -> list[Datum]:
        folder = os.path.join(self.image_dir, part)
        names = names_of_folders(folder, read_classnames(self.dataset_dir))
        return images_by_folder(folder, names)

    def _kept(self, cache: str) -> Entries:
        """The entries of CoOp's file, whose absolute paths may be another machine's."""
        kept = read_pickled_entries(cache, ("train", "test"))
        return {
            "train": [("/".join(_tail(path)), *rest) for path, *rest in kept["train"]],
            "val": [],
            "test": [("/".join(_tail(path)), *rest) for path, *rest in kept["test"]],
        }


def _tail(path: str) -> list[str]:
    return path.replace("\\", "/").rsplit("/", 3)[1:]  # part, WordNet id, file
