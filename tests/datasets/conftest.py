"""A tiny data set of real images: 5 classes of 12, in the form that CoOp's data sets have."""

import json
from types import SimpleNamespace

import pytest
from PIL import Image

NUM_CLASSES, NUM_IMAGES = 5, 12


@pytest.fixture
def root(tmp_path):
    """DATASET.ROOT with the folder `tiny`: images/<label>/<label>_<i>.png and split.json.

    Train is all images, label by label; val is every second one of them; test is all, backwards.
    """
    images = tmp_path / "root" / "tiny" / "images"
    train = []
    for label in range(NUM_CLASSES):
        (images / str(label)).mkdir(parents=True)
        for i in range(NUM_IMAGES):
            name = f"{label}/{label}_{i}.png"
            Image.new("RGB", (2, 2), (40 * label, 10 * i, 0)).save(images / name)
            train.append([name, label, f"c{label}"])
    split = {"train": train, "val": train[::2], "test": train[::-1]}
    (images.parent / "split.json").write_text(json.dumps(split))
    return tmp_path / "root"


@pytest.fixture
def make_cfg(root):
    """The part of a configuration that a data set reads."""

    def make(*, num_shots=-1, seed=1, subset="all", root=root):
        dataset = SimpleNamespace(ROOT=str(root), NUM_SHOTS=num_shots, SUBSAMPLE_CLASSES=subset)
        return SimpleNamespace(DATASET=dataset, SEED=seed)

    return make
