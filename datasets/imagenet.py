"""ImageNet (ILSVRC 2012)."""

from __future__ import annotations

import os

from dassl.data.datasets import DATASET_REGISTRY, Datum
from datasets.coop import CoOpDataset
from datasets.entries import Entries, make_datum
from datasets.listing import images_by_folder, list_folders
from datasets.pickled_lists import read_pickled_entries
from datasets.published_names import ImageNetNames
from datasets.split_file import Splits, find_images
from datasets.wordnet import CLASSNAMES, names_of_folders, read_classnames

CACHE = "preprocessed.pkl"


@DATASET_REGISTRY.register()
class ImageNet(ImageNetNames, CoOpDataset):
    """1,000 classes; test is the official validation part, and so is val, as in CoOp's code.

    Folders and files are sorted. CoOp's code takes them as the file system gives them and keeps
    that order in preprocessed.pkl: picks of a user with such a file need it, so it is read.
    """

    dataset_dir = "imagenet"
    image_dir = "images"

    def read(self, cfg) -> Splits:
        """train, nothing yet for val, test."""
        if not list_folders(self._folder("train")) and list_folders(self._folder("val")):
            return self._read_test_only()
        cache = os.path.join(self.dataset_dir, CACHE)
        if os.path.isfile(cache):
            print(f"Reading the list of images from {cache}")
            return find_images(self._kept(cache), self.image_dir, named_by=cache)
        names = read_classnames(self.dataset_dir)
        train, test = self._listed("train", names), self._listed("val", names)
        labels = {item.label for item in train}
        if {item.label for item in test} != labels or not labels:
            raise FileNotFoundError(
                f"{self.image_dir}/train has images of {len(labels)} classes and val of "
                f"{len({item.label for item in test})}: both must hold one folder per WordNet id, "
                "with its images in it. Unpack ImageNet completely and sort val into such folders, "
                "or set DATASET.ROOT (--root)."
            )
        return train, [], test

    def pick_shots(self, cfg, train: list[Datum], val: list[Datum]) -> tuple[list, list]:
        """Shots of train; no validation images are picked."""
        return (train, []) if self.test_only else super().pick_shots(cfg, train, [])

    def validation(self, val: list[Datum], test: list[Datum]) -> list[Datum]:
        """The test images."""
        return test

    def entries(self) -> Entries:
        """What the folders hold, or the kept list."""
        cache = os.path.join(self.dataset_dir, CACHE)
        if os.path.isfile(cache):
            return self._kept(cache)
        names = read_classnames(self.dataset_dir)
        parts = {
            "train": self._listed("train", names),
            "val": [],
            "test": self._listed("val", names),
        }
        start = len(self.image_dir) + 1
        return {
            name: [(item.impath[start:], item.label, item.classname) for item in items]
            for name, items in parts.items()
        }

    def _read_test_only(self) -> Splits:
        """What a machine with the validation images alone can do: evaluate.

        Nothing else than the list of names says there which classes belong to ImageNet: only all
        of them have the labels that they have beside train. Train names them, without any image.
        """
        names = read_classnames(self.dataset_dir)
        test = self._listed("val", names)
        count = len({item.label for item in test})
        if count != len(names):
            raise FileNotFoundError(
                f"{self._folder('val')} has images of {count} of the {len(names)} classes in "
                f"{CLASSNAMES}, and there is no {self._folder('train')} to say which belong. "
                f"Unpack val completely, or give the names of just its classes in "
                f"{os.path.join(self.dataset_dir, CLASSNAMES)}."
            )
        self.test_only = (
            f"there are no images in {self._folder('train')}. Unpack ILSVRC2012_img_train.tar "
            "there, or evaluate with --eval-only"
        )
        print(f"Note: {type(self).__name__} can be evaluated only: {self.test_only}")
        by_label = {item.label: item for item in test}
        train = [
            make_datum(self._folder("train", "none"), label, by_label[label].classname)
            for label in sorted(by_label)
        ]
        return train, [], test

    def _folder(self, *parts: str) -> str:
        return os.path.join(self.image_dir, *parts)

    def _listed(self, part: str, names: dict[str, str]) -> list[Datum]:
        folder = self._folder(part)
        return images_by_folder(folder, names_of_folders(folder, names))

    def _kept(self, cache: str) -> Entries:
        """The entries of CoOp's file, whose absolute paths may be another machine's."""
        kept = read_pickled_entries(cache, ("train", "test"))
        return {
            "train": [(_tail(path, cache), *rest) for path, *rest in kept["train"]],
            "val": [],
            "test": [(_tail(path, cache), *rest) for path, *rest in kept["test"]],
        }


def _tail(path: str, cache: str) -> str:
    parts = path.replace("\\", "/").rsplit("/", 3)[1:]  # part, WordNet id, file
    if len(parts) < 3:
        raise ValueError(
            f"{cache} names {path!r}, which is no .../<train or val>/<WordNet id>/<file>. Delete "
            "it, and the images will be listed anew."
        )
    return "/".join(parts)
