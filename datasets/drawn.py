"""The data sets that are drawn below DATASET.ROOT on first use, then read like any other."""

from pathlib import Path

import pocket.datasets
import woven.datasets
from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset
from datasets.drawing import DrawnSet, draw


class DrawnDataset(CoOpDataset):
    """A CoOp-style data set that makes its own images."""

    image_dir = "images"
    drawn_set: DrawnSet

    def prepare(self, root: str) -> None:
        """Draws the images if they are not there."""
        draw(self.drawn_set, Path(root))


def _register(drawn_set: DrawnSet, **more: object) -> None:
    attributes = {
        "__doc__": f"{drawn_set.about[0].upper()}{drawn_set.about[1:]}.",
        "drawn_set": drawn_set,
        "dataset_dir": drawn_set.folder,
        "split_file": drawn_set.split_file,
        "template": drawn_set.template,
    }
    DATASET_REGISTRY.register(type(drawn_set.name, (DrawnDataset,), attributes | more))


for _set in pocket.datasets.SETS.values():
    _register(_set)
for _set in woven.datasets.SETS.values():
    _source = _set.rendering_of
    _why = f"it is a rendering of {_source}. Train on {_source}, then evaluate with --eval-only"
    _register(_set, stands_for=_set.name.removeprefix("Woven"), test_only=_why if _source else "")
