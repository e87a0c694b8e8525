"""FGVC-Aircraft: variants of aircraft (Maji et al., 2013)."""

import os

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset
from datasets.entries import SPLIT_NAMES, Entries, Entry
from datasets.split_file import Splits, find_images
from datasets.text_files import malformed, read_lines, refuse_repeats


@DATASET_REGISTRY.register()
class FGVCAircraft(CoOpDataset):
    """100 classes; the official splits, which are lists in text files."""

    dataset_dir = "fgvc_aircraft"
    image_dir = "images"

    def read(self, cfg) -> Splits:
        """The official splits."""
        return find_images(self.entries(), self.image_dir, named_by="images_variant_*.txt")

    def entries(self) -> Entries:
        """Lines "<image> <variant>" of the three lists; labels in the order of variants.txt."""
        path = os.path.join(self.dataset_dir, "variants.txt")
        variants = [(number, line.strip()) for number, line in read_lines(path)]
        refuse_repeats(path, variants, "variant")
        labels = {name: label for label, (_, name) in enumerate(variants)}
        return {part: self._entries(part, labels) for part in SPLIT_NAMES}

    def _entries(self, part: str, labels: dict[str, int]) -> list[Entry]:
        path = os.path.join(self.dataset_dir, f"images_variant_{part}.txt")
        entries, images = [], []
        for number, line in read_lines(path):
            image, _, name = line.strip().partition(" ")
            if name not in labels:
                raise malformed(path, number, line, "'<image> <variant of variants.txt>'")
            entries.append((f"{image}.jpg", labels[name], name))
            images.append((number, image))
        refuse_repeats(path, images, "image")
        return entries
