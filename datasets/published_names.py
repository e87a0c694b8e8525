"""Functions of CoOp's data-set files under their published names, for files of its descendants.

Such a file says `from .oxford_pets import OxfordPets` and calls `OxfordPets.read_split` and others.
The classes here give OxfordPets, DescribableTextures and ImageNet these names; nothing else uses
them. Random splits are those of `datasets.listing`: the same whatever the seed of the run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from dassl.data.datasets import Datum
from datasets.class_subset import subsample_classes
from datasets.listing import images_by_folder, list_folders, split_by_class
from datasets.split_file import Splits, read_split, save_split
from datasets.wordnet import CLASSNAMES, read_classnames


class PetsNames:
    """What descendants call on OxfordPets."""

    read_split = staticmethod(read_split)  # (path, image folder)
    save_split = staticmethod(save_split)  # (train, val, test, path, image folder)
    subsample_classes = staticmethod(subsample_classes)  # (*parts, subsample="all")

    @staticmethod
    def split_trainval(trainval: list[Datum], p_val: float = 0.2) -> tuple[list, list]:
        """Deals a share of each class's images to val; returns train and val."""
        print(f"Splitting trainval into {1 - p_val:.0%} train and {p_val:.0%} val")
        val, train = split_by_class(trainval, p_val)
        return train, val


class TexturesNames:
    """What descendants call on DescribableTextures."""

    @staticmethod
    def read_and_split_data(
        image_dir: str,
        p_trn: float = 0.5,
        p_val: float = 0.2,
        ignored: Sequence[str] = (),
        new_cnames: Mapping[str, str] | None = None,
    ) -> Splits:
        """One folder per class, dealt by class into train, val and the rest, test.

        Args:
            image_dir: holds the folders.
            p_trn, p_val: shares of each class.
            ignored: folders that are passed over.
            new_cnames: class names by folder, where they differ.

        Raises:
            ValueError: a class has too few images for the three parts.
        """
        folders = [name for name in list_folders(image_dir) if name not in ignored]
        names = {folder: (new_cnames or {}).get(folder, folder) for folder in folders}
        items = images_by_folder(image_dir, names)
        shares = p_trn, p_val, 1 - p_trn - p_val
        print("Splitting into {:.0%} train, {:.0%} val, and {:.0%} test".format(*shares))
        parts = split_by_class(items, p_trn, p_val)
        for label, folder in enumerate(folders):
            if not all(any(item.label == label for item in part) for part in parts):
                count = sum(item.label == label for item in items)
                raise ValueError(
                    f"{os.path.join(image_dir, folder)} has {count} images, too few for train, val "
                    "and test. Add images, or leave the folder out."
                )
        train, val, test = parts
        return train, val, test


class ImageNetNames:
    """What descendants call on ImageNet."""

    @staticmethod
    def read_classnames(text_file: str) -> dict[str, str]:
        """Class name by WordNet id.

        Raises:
            ValueError: the file has another name than classnames.txt, or a line is malformed.
        """
        folder, name = os.path.split(text_file)
        if name != CLASSNAMES:
            raise ValueError(f"ImageNet's class names are in {CLASSNAMES}; got {text_file}.")
        return read_classnames(folder)
