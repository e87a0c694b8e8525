"""The pocket data sets: drawn below DATASET.ROOT on first use, then read like any other."""

from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset
from pocket.datasets import SETS, SPLIT_FILE, PocketSet, draw


class PocketDataset(CoOpDataset):
    """A CoOp-style data set that makes its own images."""

    image_dir = "images"
    split_file = SPLIT_FILE
    pocket_set: PocketSet

    def prepare(self, root: str) -> None:
        """Draws the images if they are not there."""
        draw(self.pocket_set, Path(root))


def _register(pocket_set: PocketSet) -> None:
    attributes = {
        "__doc__": f"{pocket_set.about[0].upper()}{pocket_set.about[1:]}.",
        "pocket_set": pocket_set,
        "dataset_dir": pocket_set.folder,
        "template": pocket_set.template,
    }
    DATASET_REGISTRY.register(type(pocket_set.name, (PocketDataset,), attributes))


for _set in SETS.values():
    _register(_set)
