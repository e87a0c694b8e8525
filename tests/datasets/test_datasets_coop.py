import json
import os
import pkgutil
import sys

import pytest

import datasets
from datasets.coop import CoOpDataset
from datasets.split_file import read_split, save_split


class Tiny(CoOpDataset):
    dataset_dir = "tiny"
    image_dir = "images"
    split_file = "split.json"
    template = "{} on a plain ground."


def entries(items, image_dir):
    return [(os.path.relpath(i.impath, image_dir), i.label, i.classname) for i in items]


def test_reads_the_split(make_cfg, root, capsys):
    data = Tiny(make_cfg())
    assert (len(data.train_x), len(data.val), len(data.test)) == (60, 30, 60)
    assert (data.num_classes, data.classnames) == (5, ["c0", "c1", "c2", "c3", "c4"])
    assert data.test[0].impath == str(root / "tiny/images/4/4_11.png")
    assert data.template == "{} on a plain ground."
    assert (data.dataset_dir, data.image_dir) == (str(root / "tiny"), str(root / "tiny/images"))
    assert f"Reading split from {root / 'tiny/split.json'}\n" in capsys.readouterr().out


def test_an_object_leaves_its_class_as_it_was(make_cfg):
    Tiny(make_cfg())
    assert (Tiny.dataset_dir, Tiny.image_dir) == ("tiny", "images")


def test_images_may_lie_in_the_data_sets_own_folder(make_cfg, root):
    class Flat(Tiny):
        dataset_dir = "tiny/images"
        image_dir = ""

    os.rename(root / "tiny/split.json", root / "tiny/images/split.json")
    first = Flat(make_cfg(num_shots=2))
    assert [i.impath for i in Flat(make_cfg(num_shots=2)).train_x] == [
        i.impath for i in first.train_x
    ]
    twin = root / "tiny/images/split_fewshot/shot_2-seed_1.json"
    assert json.loads(twin.read_text())["train"][0][0].startswith("0/0_")


def test_root_may_start_with_a_tilde(make_cfg, root, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))
    assert Tiny(make_cfg(root="~/root")).dataset_dir == str(root / "tiny")


def test_missing_folder_says_what_to_do(make_cfg, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        Tiny(make_cfg(root=tmp_path / "nowhere"))
    text = str(error.value)
    assert f"Tiny not found: there is no folder {tmp_path / 'nowhere' / 'tiny'}" in text
    assert f"(DATASET.ROOT is {str(tmp_path / 'nowhere')!r})" in text
    assert "Set DATASET.ROOT (--root; DATA of the scripts) to the folder above it." in text


def test_missing_split_says_what_to_do(make_cfg, root):
    (root / "tiny/split.json").unlink()
    with pytest.raises(FileNotFoundError, match="Tiny has no split file .*/tiny/split.json. Put"):
        Tiny(make_cfg())


def test_build_split_is_called_once_and_saved(make_cfg, root, capsys):
    path, image_dir = root / "tiny/split.json", str(root / "tiny/images")
    original = json.loads(path.read_text())
    splits = read_split(str(path), image_dir)
    path.unlink()

    class Built(Tiny):
        def build_split(self):
            assert self.image_dir == image_dir
            return splits

    Built(make_cfg())
    assert json.loads(path.read_text()) == original
    assert f"Saved split to {path}\n" in capsys.readouterr().out
    assert len(Tiny(make_cfg()).train_x) == 60


def test_prepare_can_make_the_files(make_cfg, root, tmp_path):
    class Drawn(Tiny):
        def prepare(self, root_given):
            assert root_given == str(tmp_path / "new")
            if not os.path.exists(self.dataset_dir):
                os.makedirs(root_given)
                os.symlink(root / "tiny", self.dataset_dir)

    for _ in range(2):
        assert len(Drawn(make_cfg(root=tmp_path / "new")).train_x) == 60


def test_split_round_trip(root, tmp_path):
    image_dir = str(root / "tiny/images")
    splits = read_split(str(root / "tiny/split.json"), image_dir)
    path = tmp_path / "copy.json"
    save_split(*splits, str(path), image_dir)
    assert path.read_text().startswith(
        '{\n    "train": [\n        [\n            "0/0_0.png",\n            0,\n            "c0"'
    )
    again = read_split(str(path), image_dir)
    assert [entries(s, image_dir) for s in again] == [entries(s, image_dir) for s in splits]
    assert [name for name in os.listdir(tmp_path) if name.endswith(".tmp")] == []


def test_missing_images_are_counted_in_one_error(root):
    for name in ("0/0_0.png", "0/0_1.png", "2/2_3.png", "4/4_1.png"):
        (root / "tiny/images" / name).unlink()
    # Train and test hold all four, val only the first.
    with pytest.raises(FileNotFoundError) as error:
        read_split(str(root / "tiny/split.json"), str(root / "tiny/images"))
    text = str(error.value)
    assert text.startswith("9 of the 150 images that ")
    assert "0/0_0.png, 0/0_1.png, 2/2_3.png, ..." in text
    assert "set DATASET.ROOT" in text


def test_a_missing_image_folder_is_no_other_error(root):
    with pytest.raises(FileNotFoundError, match="150 of the 150 images"):
        read_split(str(root / "tiny/split.json"), str(root / "tiny/nothing"))


def test_one_listing_for_each_folder(root, monkeypatch):
    listed = []
    scandir = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: listed.append(path) or scandir(path))
    read_split(str(root / "tiny/split.json"), str(root / "tiny/images"))
    assert sorted(listed) == [str(root / "tiny/images" / str(label)) for label in range(5)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a JSON file"),
        ("[]", "must hold an object with the lists train, val and test"),
        ('{"train": [], "val": []}', "must hold an object with the lists train, val and test"),
        ('{"train": [["a", 0]], "val": [], "test": []}', r"entry 0 of train must be .* \['a', 0\]"),
        ('{"train": [], "val": [["a", "0", "b"]], "test": []}', "entry 0 of val must be"),
        ('{"train": [], "val": [], "test": [["a", true, "b"]]}', "entry 0 of test must be"),
        ('{"train": [], "val": [], "test": [["a", -1, "b"]]}', "label from 0, class name"),
        ('{"train": [], "val": [], "test": ["abc"]}', "entry 0 of test must be"),
    ],
)
def test_a_malformed_split_is_named(tmp_path, content, message):
    path = tmp_path / "split.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        read_split(str(path), str(tmp_path))
    assert str(path) in str(error.value)


def test_every_module_of_the_package_is_imported():
    found = [module.name for module in pkgutil.iter_modules([os.path.dirname(datasets.__file__)])]
    assert {"coop", "few_shot"} <= set(found)
    assert {f"datasets.{name}" for name in found} - set(sys.modules) <= {
        f"datasets.{name}" for name in datasets.TOOLS
    }
