"""ImageNet's class names, and its variants: test sets with one folder of images per class."""

from __future__ import annotations

import os
import re

from datasets.coop import CoOpDataset
from datasets.listing import images_by_folder, list_folders
from datasets.split_file import PUBLISHED, Entries, Splits
from datasets.text_files import malformed, read_lines, refuse_repeats

CLASSNAMES = "classnames.txt"
FORM = "'<WordNet id> <name>'"


def read_classnames(dataset_dir: str) -> dict[str, str]:
    """Class name by WordNet id, in the file's order, which is that of ImageNet's labels.

    From `classnames.txt` in the data set's folder, else from the copy that comes with this package
    (the names that CLIP's authors cleaned).

    Raises:
        ValueError: a line is not "<id> <name>", there is a third column, or an id is there twice.
    """
    path = os.path.join(dataset_dir, CLASSNAMES)
    if not os.path.isfile(path):
        print(f"No {CLASSNAMES} in {dataset_dir}: taking the one that comes with the project")
        path = os.path.join(PUBLISHED, f"imagenet_{CLASSNAMES}")
    lines = []
    for number, line in read_lines(path):
        wordnet_id, name = [*line.split(maxsplit=1), "", ""][:2]
        if not re.fullmatch(r"n\d{8}", wordnet_id) or not name:
            raise malformed(path, number, line, FORM)
        lines.append((number, wordnet_id, name.rstrip()))
    refuse_repeats(path, [(number, wordnet_id) for number, wordnet_id, _ in lines], "id")
    _refuse_column_of_labels(path, lines)
    return {wordnet_id: name for _, wordnet_id, name in lines}


def _refuse_column_of_labels(path: str, lines: list[tuple[int, str, str]]) -> None:
    """Tells "n01440764 1 tench" from a name that begins with a number.

    A number in every line is a column of labels, and so is one that counts the lines.
    """
    wanted = (
        f"{FORM}, without a label between them (a number that is part of the name is joined to it "
        "by _, which CLIP reads as a blank)"
    )
    first_words = [name.split()[0] for _, _, name in lines]
    is_column = all(word.isdecimal() for word in first_words)
    for place, (word, line) in enumerate(zip(first_words, lines, strict=True)):
        if word.isdecimal() and (is_column or int(word) in (place, place + 1)):
            number, wordnet_id, name = line
            raise malformed(path, number, f"{wordnet_id} {name}", wanted)


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

    test_only = "it is a test set of ImageNet. Train on ImageNet, then evaluate with --eval-only"

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
