"""SUN397: scenes (Xiao et al., 2010)."""

import os

from dassl.data.datasets import DATASET_REGISTRY, Datum
from datasets.coop import CoOpDataset
from datasets.listing import split_by_class
from datasets.split_file import Splits, find_images


@DATASET_REGISTRY.register()
class SUN397(CoOpDataset):
    """397 classes."""

    dataset_dir = "sun397"
    image_dir = "SUN397"
    split_file = "split_zhou_SUN397.json"
    template = "a photo of a {}."

    def build_split(self) -> Splits:
        """The first official partition, its training images dealt 80 to 20 for validation.

        The dealing is random: this is not the published split.
        """
        self.warn_of_own_split()
        labels = {name: label for label, name in enumerate(self._lines("ClassName.txt"))}
        trainval = self._images("Training_01.txt", labels)
        test = self._images("Testing_01.txt", labels)
        print("Splitting trainval into 80% train and 20% val")
        train, val = split_by_class(trainval, 0.8)
        return train, val, test

    def _images(self, partition: str, labels: dict[str, int]) -> list[Datum]:
        entries = []
        for line in self._lines(partition):  # /a/apartment_building/outdoor/sun_x.jpg
            folder = os.path.dirname(line)
            parts = folder.split("/")[2:]
            entries.append((line[1:], labels[folder], " ".join(reversed(parts))))
        split = {"train": entries, "val": [], "test": []}
        return find_images(split, self.image_dir, named_by=self._list_path(partition))[0]

    def _lines(self, name: str) -> list[str]:
        with open(self._list_path(name), encoding="utf-8") as file:
            return file.read().split()

    def _list_path(self, name: str) -> str:
        return os.path.join(self.dataset_dir, name)
