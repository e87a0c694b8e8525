"""SUN397: scenes (Xiao et al., 2010)."""

import os
import re

from dassl.data.datasets import DATASET_REGISTRY, Datum
from datasets.coop import CoOpDataset
from datasets.listing import split_by_class
from datasets.split_file import Splits, find_images
from datasets.text_files import malformed, read_lines, refuse_repeats


@DATASET_REGISTRY.register()
class SUN397(CoOpDataset):
    """397 classes."""

    dataset_dir = "sun397"
    image_dir = "SUN397"
    split_file = "split_zhou_SUN397.json"

    def build_split(self) -> Splits:
        """The first official partition, its training images dealt 80 to 20 for validation.

        The dealing is random: this is not the published split.
        """
        self.warn_of_own_split()
        labels = {name: label for label, name in enumerate(self._classes())}
        trainval = self._images("Training_01.txt", labels)
        test = self._images("Testing_01.txt", labels)
        print("Splitting trainval into 80% train and 20% val")
        train, val = split_by_class(trainval, 0.8)
        return train, val, test

    def _classes(self) -> list[str]:
        path = self._list_path("ClassName.txt")
        classes = [(number, line.strip()) for number, line in read_lines(path)]
        for number, name in classes:
            if not re.fullmatch(r"/[a-z](/[^/\s]+)+", name):
                raise malformed(path, number, name, "'/<first letter>/<class>'")
        refuse_repeats(path, classes, "class")
        return [name for _, name in classes]

    def _images(self, partition: str, labels: dict[str, int]) -> list[Datum]:
        path = self._list_path(partition)
        entries, images = [], []
        for number, line in read_lines(path):
            image = line.strip()  # /a/apartment_building/outdoor/sun_x.jpg
            folder = os.path.dirname(image)
            if folder not in labels:
                raise malformed(path, number, line, "'<class of ClassName.txt>/<image>'")
            name = " ".join(reversed(folder.split("/")[2:]))
            entries.append((image[1:], labels[folder], name))
            images.append((number, image))
        refuse_repeats(path, images, "image")
        split = {"train": entries, "val": [], "test": []}
        return find_images(split, self.image_dir, named_by=path)[0]

    def _list_path(self, name: str) -> str:
        return os.path.join(self.dataset_dir, name)
