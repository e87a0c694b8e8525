"""Pocket data sets on disk: whole or absent, readable as any CoOp-style set."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import train
from dassl.data.datasets import build_dataset
from datasets import drawing
from datasets.contact_sheet import contact_sheet
from datasets.drawing import draw
from pocket.datasets import SETS


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("pocket")
    draw(SETS["PocketSizes"], root, progress=lambda text: None)
    return root


def build(root, name: str, *extra):
    argv = ["--root", str(root), "--seed", "1", "DATASET.NAME", name, *map(str, extra)]
    return build_dataset(train.setup_cfg(train.parse_args(argv)))


def test_files_hold_the_drawn_pixels(root):
    classname = SETS["PocketSizes"].classnames[3]
    images = SETS["PocketSizes"].images(classname, "val")
    folder = root / "pocket_sizes/images" / classname.replace(" ", "_")
    for index, expected in enumerate(images):
        assert np.array_equal(np.asarray(Image.open(folder / f"val_{index:02d}.png")), expected)


def test_it_is_read_like_any_data_set(root):
    whole = build(root, "PocketSizes")
    assert whole.num_classes == 36 and whole.classnames == sorted(SETS["PocketSizes"].classes)
    assert (len(whole.train_x), len(whole.val), len(whole.test)) == (36 * 32, 36 * 8, 36 * 20)
    assert whole.template == "a photo of a {}."
    split = json.loads((root / "pocket_sizes" / SETS["PocketSizes"].split_file).read_text())
    assert split["template"] == whole.template
    base = build(root, "PocketSizes", "DATASET.NUM_SHOTS", 16, "DATASET.SUBSAMPLE_CLASSES", "base")
    new = build(root, "PocketSizes", "DATASET.NUM_SHOTS", 16, "DATASET.SUBSAMPLE_CLASSES", "new")
    assert len(base.train_x) == len(new.train_x) == 18 * 16
    assert base.classnames + new.classnames == whole.classnames


def test_a_second_drawing_changes_nothing(root):
    before = (root / "pocket_sizes" / SETS["PocketSizes"].split_file).stat().st_mtime_ns
    draw(SETS["PocketSizes"], root)
    assert (root / "pocket_sizes" / SETS["PocketSizes"].split_file).stat().st_mtime_ns == before


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def write_some(*args):
        calls.append(args)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        return []

    monkeypatch.setattr(drawing, "_write_class", write_some)
    with pytest.raises(OSError, match="No space left"):
        draw(SETS["PocketSizes"], tmp_path, progress=lambda text: None)
    assert list(tmp_path.iterdir()) == []


def test_another_versions_images_are_refused(root, tmp_path):
    folder = shutil.copytree(root / "pocket_sizes", tmp_path / "pocket_sizes")
    split = json.loads((folder / SETS["PocketSizes"].split_file).read_text())
    (folder / SETS["PocketSizes"].split_file).write_text(json.dumps(split | {"version": 0}))
    with pytest.raises(ValueError, match="version 0, expected .*Delete the folder"):
        draw(SETS["PocketSizes"], tmp_path)


def test_contact_sheet_shows_every_set():
    sheet = np.asarray(contact_sheet(SETS, columns=2, rows=1, size=48))
    assert sheet.shape == (len(SETS) * (18 + 48), 2 * 48, 3)
    tiles = [sheet[i * 66 + 18 : (i + 1) * 66] for i in range(len(SETS))]
    assert all(tile.std() > 10 for tile in tiles)
