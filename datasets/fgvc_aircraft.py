"""FGVC-Aircraft: variants of aircraft (Maji et al., 2013)."""

import os

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset
from datasets.split_file import SPLIT_NAMES, Entries, Splits, find_images


@DATASET_REGISTRY.register()
class FGVCAircraft(CoOpDataset):
    """100 classes; the official splits, which are lists in text files."""

    dataset_dir = "fgvc_aircraft"
    image_dir = "images"
    template = "a photo of a {}, a type of aircraft."

    def read(self, cfg) -> Splits:
        """The official splits."""
        return find_images(self.entries(), self.image_dir, named_by="images_variant_*.txt")

    def entries(self) -> Entries:
        """Lines "<image> <variant>" of the three lists; labels in the order of variants.txt."""
        labels = {name: label for label, name in enumerate(self._lines("variants.txt"))}
        split: Entries = {}
        for part in SPLIT_NAMES:
            pairs = [line.split(" ", 1) for line in self._lines(f"images_variant_{part}.txt")]
            split[part] = [(f"{image}.jpg", labels[name], name) for image, name in pairs]
        return split

    def _lines(self, name: str) -> list[str]:
        with open(os.path.join(self.dataset_dir, name), encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
