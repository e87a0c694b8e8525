"""ImageNet's class names, and its variants: test sets with one folder of images per class."""

from __future__ import annotations

import os

from datasets.coop import CoOpDataset
from datasets.listing import images_by_folder, list_folders
from datasets.split_file import PUBLISHED, Entries, Splits

CLASSNAMES = "classnames.txt"


def read_classnames(dataset_dir: str) -> dict[str, str]:
    """Class name by WordNet id, in the file's order, which is that of ImageNet's labels.

    From `classnames.txt` in the data set's folder, else from the copy that comes with this package
    (the names that CLIP's authors cleaned).

    Raises:
        ValueError: a line is not "<id> <name>".
    """
    path = os.path.join(dataset_dir, CLASSNAMES)
    if not os.path.isfile(path):
        print(f"No {CLASSNAMES} in {dataset_dir}: taking the one that comes with the project")
        path = os.path.join(PUBLISHED, f"imagenet_{CLASSNAMES}")
    names = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            wordnet_id, _, name = line.strip().partition(" ")
            if not name:
                raise ValueError(
                    f"{path}, line {number} must be '<WordNet id> <name>'; got {line!r}."
                )
            names[wordnet_id] = name
    return names


def names_of_folders(image_dir: str, names: dict[str, str]) -> dict[str, str]:
    """Class name by folder in `image_dir`, sorted.

    Raises:
        ValueError: a folder has no class name.
    """
    folders = list_folders(image_dir)
    unknown = [folder for folder in folders if folder not in names]
    if unknown:
        raise ValueError(
            f"{len(unknown)} folders in {image_dir} have no line in {CLASSNAMES}: "
            f"{', '.join(unknown[:3])}. Remove them, or complete that file."
        )
    return {folder: names[folder] for folder in folders}


class ImageNetVariant(CoOpDataset):
    """A test set: all its images are `test`, and `train_x` too, which names the classes.

    As in CoOp's code NUM_SHOTS has no meaning here; there are no base and new classes.
    """

    def read(self, cfg) -> Splits:
        """All images, in the order of their folders.

        Raises:
            FileNotFoundError: there are no images.
            ValueError: a class subset is asked for, or a folder has no class name.
        """
        subset = cfg.DATASET.SUBSAMPLE_CLASSES
        if subset != "all":
            raise ValueError(
                f"DATASET.SUBSAMPLE_CLASSES must be all for {type(self).__name__}, which is a "
                f"test set without base and new classes; got {subset!r}."
            )
        items = images_by_folder(self.image_dir, self.classnames_by_folder())
        if not items:
            raise FileNotFoundError(
                f"{type(self).__name__} has no folders of images in {self.image_dir}. Unpack it "
                "there, or set DATASET.ROOT (--root)."
            )
        return items, [], items

    def pick_shots(self, cfg, train: list, val: list) -> tuple[list, list]:
        """All of them: nothing is tuned on this set."""
        return train, val

    def entries(self) -> Entries:
        """What the folders hold."""
        items = images_by_folder(self.image_dir, self.classnames_by_folder())
        test = [(os.path.relpath(i.impath, self.image_dir), i.label, i.classname) for i in items]
        return {"train": [], "val": [], "test": test}

    def classnames_by_folder(self) -> dict[str, str]:
        """Class name by folder, in the order of labels."""
        return names_of_folders(self.image_dir, read_classnames(self.dataset_dir))
