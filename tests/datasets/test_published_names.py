"""Data-set files written on top of CoOp's run here: beside ours, or by --import."""

import importlib
import json
import shutil
import sys
from collections import Counter

import pytest

import datasets
import train
from dassl.data.datasets import DATASET_REGISTRY, Datum
from datasets.dtd import DescribableTextures
from datasets.imagenet import ImageNet
from datasets.oxford_pets import OxfordPets
from tests.conftest import TINY_CLASSES

FILE = """
import os
import pickle

from dassl.data.datasets import DATASET_REGISTRY, DatasetBase
from dassl.utils import mkdir_if_missing
from {package}oxford_pets import OxfordPets
from {package}dtd import DescribableTextures as DTD

NEW_NAMES = {{"cross_shape": "plus sign"}}


@DATASET_REGISTRY.register()
class Drawings(DatasetBase):
    dataset_dir = "drawings"

    def __init__(self, cfg):
        self.dataset_dir = os.path.join(os.path.abspath(cfg.DATASET.ROOT), self.dataset_dir)
        self.image_dir = os.path.join(self.dataset_dir, "images")
        self.split_path = os.path.join(self.dataset_dir, "split_drawings.json")
        picks = os.path.join(self.dataset_dir, "split_fewshot")
        mkdir_if_missing(picks)
        if os.path.exists(self.split_path):
            train, val, test = OxfordPets.read_split(self.split_path, self.image_dir)
        else:
            train, val, test = DTD.read_and_split_data(
                self.image_dir, ignored=["BACKGROUND"], new_cnames=NEW_NAMES
            )
            OxfordPets.save_split(train, val, test, self.split_path, self.image_dir)
        shots = cfg.DATASET.NUM_SHOTS
        if shots >= 1:
            kept = os.path.join(picks, f"shot_{{shots}}-seed_{{cfg.SEED}}.pkl")
            if os.path.exists(kept):
                with open(kept, "rb") as file:
                    data = pickle.load(file)
                train, val = data["train"], data["val"]
            else:
                train = self.generate_fewshot_dataset(train, num_shots=shots)
                val = self.generate_fewshot_dataset(val, num_shots=min(shots, 4))
                with open(kept, "wb") as file:
                    pickle.dump({{"train": train, "val": val}}, file)
        subset = cfg.DATASET.SUBSAMPLE_CLASSES
        train, val, test = OxfordPets.subsample_classes(train, val, test, subsample=subset)
        super().__init__(train_x=train, val=val, test=test)
"""


@pytest.fixture
def drawings(tiny_root, tmp_path, monkeypatch):
    """DATASET.ROOT with one folder a class, and a registry that forgets what the test adds."""
    images = tmp_path / "data/drawings/images"
    for name in TINY_CLASSES:
        (images / name).mkdir(parents=True)
        for number in range(10):
            shutil.copy(f"{tiny_root}/tiny/images/{name}_{number}.png", images / name)
    (images / "BACKGROUND").mkdir()
    monkeypatch.setattr(DATASET_REGISTRY, "_objects", dict(DATASET_REGISTRY._objects))
    return tmp_path / "data"


def run(tiny_argv, root, *flags) -> int:
    argv = tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "base", flags=flags)
    argv[argv.index("--root") + 1] = str(root)
    argv[argv.index("TinyShapes")] = "Drawings"
    return train.main(argv)


def check(root, folder) -> None:
    split = json.loads((root / "drawings/split_drawings.json").read_text())
    assert [Counter(entry[1] for entry in split[part])[0] for part in split] == [5, 2, 3]
    assert {entry[2] for entry in split["test"]} == {*TINY_CLASSES, "plus sign"} - {"cross_shape"}
    result = json.loads((folder / "result.json").read_text())
    assert [(entry["name"], entry["total"]) for entry in result["per_class"]] == [
        ("arrow", 3), ("circle", 3), ("plus sign", 3),
    ]  # fmt: skip


def test_a_descendants_file_beside_ours(drawings, tiny_argv, tmp_path, monkeypatch):
    (tmp_path / "drawings.py").write_text(FILE.format(package="."))
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(tmp_path)])
    try:
        importlib.import_module("datasets.drawings")
        assert run(tiny_argv, drawings) == 0
    finally:
        del sys.modules["datasets.drawings"]
    check(drawings, tmp_path / "run")


def test_a_descendants_file_by_import(drawings, tiny_argv, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / "my_drawings.py").write_text(FILE.format(package="."))
    assert run(tiny_argv, drawings, "--import", "my_drawings") == 1
    assert "write 'from datasets.oxford_pets', 'from" in capsys.readouterr().err
    (tmp_path / "my_drawings.py").write_text(FILE.format(package="datasets."))
    importlib.invalidate_caches()
    try:
        assert run(tiny_argv, drawings, "--import", "my_drawings") == 0
    finally:
        del sys.modules["my_drawings"]
    check(drawings, tmp_path / "run")


def test_a_class_with_too_few_images_for_three_parts_is_named(drawings):
    for number in range(2, 10):
        (drawings / f"drawings/images/ring/ring_{number}.png").unlink()
    with pytest.raises(ValueError, match="images/ring has 2 images, too few for train, val"):
        DescribableTextures.read_and_split_data(
            str(drawings / "drawings/images"), ignored=["BACKGROUND"]
        )


def test_trainval_and_classnames(tmp_path, tiny_root):
    path = f"{tiny_root}/tiny/images/ring_0.png"
    trainval = [Datum(path, label, 0, "ring") for label in (0, 1) for _ in range(9)]
    train_part, val_part = OxfordPets.split_trainval(trainval, p_val=0.2)
    counts = [Counter(item.label for item in part) for part in (train_part, val_part)]
    assert counts == [{0: 7, 1: 7}, {0: 2, 1: 2}]  # 0.2 of 9 is 1.8
    (tmp_path / "classnames.txt").write_text("n00000001 red cat\n")
    names = ImageNet.read_classnames(str(tmp_path / "classnames.txt"))
    assert names == {"n00000001": "red cat"}
    with pytest.raises(ValueError, match="are in classnames.txt; got .*names.csv"):
        ImageNet.read_classnames(str(tmp_path / "names.csv"))
