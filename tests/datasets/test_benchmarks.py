"""The fifteen benchmarks: counts on folder trees of the published splits, and their rules."""

import os
import pickle
import random
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

import datasets  # noqa: F401  (registers the data sets)
from dassl.data.datasets import DATASET_REGISTRY, Datum
from datasets.split_file import PUBLISHED, read_entries

# Name, classes, images of train, val, test, base and new classes, base test images where known.
COUNTS = [
    ("Caltech101", 100, (4128, 1649, 2465), (50, 50), None),
    ("OxfordPets", 37, (2944, 736, 3669), (19, 18), None),
    ("StanfordCars", 196, (6509, 1635, 8041), (98, 98), None),
    ("OxfordFlowers", 102, (4093, 1633, 2463), (51, 51), None),
    ("DescribableTextures", 47, (2820, 1128, 1692), (24, 23), None),
    ("EuroSAT", 10, (13500, 5400, 8100), (5, 5), 4200),
    ("UCF101", 101, (7639, 1898, 3783), (51, 50), None),
]


def put(picture: Path, *paths: Path) -> None:
    """One small JPEG at all these paths."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(picture, path)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.jpg"
    Image.new("RGB", (4, 4), (200, 30, 60)).save(path)
    return path


def build(name: str, make_cfg, root: Path, **options):
    return DATASET_REGISTRY.get(name)(make_cfg(root=root, **options))


@pytest.mark.parametrize(("name", "classes", "counts", "halves", "base_test"), COUNTS)
def test_published_splits(name, classes, counts, halves, base_test, make_cfg, tmp_path, picture):
    kind = DATASET_REGISTRY.get(name)
    folder = tmp_path / kind.dataset_dir / kind.image_dir
    entries = read_entries(os.path.join(PUBLISHED, f"{kind.split_file}.gz"))
    put(picture, *(folder / e[0] for part in entries.values() for e in part))

    whole = build(name, make_cfg, tmp_path)
    assert (len(whole.train_x), len(whole.val), len(whole.test)) == counts
    assert whole.num_classes == len(whole.classnames) == classes
    assert whole.train_x[0].impath.startswith(str(folder))

    per_class = Counter(item.label for item in whole.train_x)
    shots = build(name, make_cfg, tmp_path, num_shots=16)
    assert Counter(item.label for item in shots.train_x) == {
        label: min(16, n) for label, n in per_class.items()
    }
    val_per_class = Counter(item.label for item in whole.val)
    assert len(shots.val) == sum(min(4, n) for n in val_per_class.values())

    base = build(name, make_cfg, tmp_path, num_shots=16, subset="base")
    new = build(name, make_cfg, tmp_path, num_shots=16, subset="new")
    assert (base.num_classes, new.num_classes) == halves
    assert base.classnames + new.classnames == whole.classnames
    assert len(base.test) + len(new.test) == counts[2]
    assert base_test in (None, len(base.test))
    # Base shots are some of the shots of all classes: one file of picks for all three.
    assert {i.impath for i in base.train_x} < {i.impath for i in shots.train_x}


def test_class_names_of_the_published_splits(make_cfg, tmp_path):
    first = {
        "Caltech101": ["face", "leopard", "motorbike", "accordion", "airplane", "anchor"],
        "EuroSAT": ["Annual Crop Land", "Forest", "Herbaceous Vegetation Land", "Highway or Road"],
        "OxfordPets": ["abyssinian", "american_bulldog"],
        "UCF101": ["Apply_Eye_Makeup"],
    }
    for name, names in first.items():
        path = os.path.join(PUBLISHED, f"{DATASET_REGISTRY.get(name).split_file}.gz")
        by_label = {label: name for _, label, name in read_entries(path)["train"]}
        assert [by_label[label] for label in range(len(names))] == names


def test_a_split_file_in_the_folder_comes_before_the_one_of_the_project(make_cfg, root):
    (root / "tiny").rename(root / "dtd")
    (root / "dtd/split.json").rename(root / "dtd/split_zhou_DescribableTextures.json")
    assert build("DescribableTextures", make_cfg, root).num_classes == 5


# Splits that are built --------------------------------------------------------------------------


def test_food101_without_its_split_file(make_cfg, tmp_path, picture, capsys):
    images = tmp_path / "food-101/images"
    put(picture, *(images / name / f"{i}.jpg" for name in ("pho", "apple_pie") for i in range(20)))
    random.seed(5)
    state = random.getstate()
    data = build("Food101", make_cfg, tmp_path)
    assert random.getstate() == state
    assert data.classnames == ["apple_pie", "pho"]
    for items, each in ((data.train_x, 10), (data.val, 4), (data.test, 6)):
        assert Counter(item.label for item in items) == {0: each, 1: each}
    assert len({i.impath for i in [*data.train_x, *data.val, *data.test]}) == 40
    out = capsys.readouterr().out
    assert "not comparable with published ones" in out and "Splitting into 50% train" in out
    again = build("Food101", make_cfg, tmp_path)  # now from the file that was saved
    assert [i.impath for i in again.train_x] == [i.impath for i in data.train_x]
    assert "Taking a split of our own" in capsys.readouterr().out
    # Not under the published name, which would hide from now on that it is not the published one.
    assert not (tmp_path / "food-101/split_zhou_Food101.json").exists()
    assert (tmp_path / "food-101/split_own_Food101.json").exists()


def test_sun397_from_its_partition_lists(make_cfg, tmp_path, picture):
    folder = tmp_path / "sun397"
    classes = ["/a/abbey", "/a/apartment_building/outdoor"]
    train = [f"{name}/sun_{i}.jpg" for name in classes for i in range(10)]
    test = [f"{name}/sun_t{i}.jpg" for name in classes for i in range(5)]
    put(picture, *(folder / "SUN397" / line[1:] for line in train + test))
    for name, lines in (("ClassName", classes), ("Training_01", train), ("Testing_01", test)):
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    data = build("SUN397", make_cfg, tmp_path)
    assert data.classnames == ["abbey", "outdoor apartment_building"]
    assert (len(data.train_x), len(data.val), len(data.test)) == (16, 4, 10)
    assert Counter(item.label for item in data.val) == {0: 2, 1: 2}


def test_aircraft_from_its_lists(make_cfg, tmp_path, picture):
    folder = tmp_path / "fgvc_aircraft"
    put(picture, *(folder / "images" / f"{i:07d}.jpg" for i in range(6)))
    (folder / "variants.txt").write_text("707-320\nA300B4\n")
    for part, first in (("train", 0), ("val", 2), ("test", 4)):
        lines = f"{first:07d} A300B4\n{first + 1:07d} 707-320\n"
        (folder / f"images_variant_{part}.txt").write_text(lines)
    data = build("FGVCAircraft", make_cfg, tmp_path)
    assert data.classnames == ["707-320", "A300B4"]
    assert [(Path(i.impath).name, i.label) for i in data.test] == [
        ("0000004.jpg", 1), ("0000005.jpg", 0),
    ]  # fmt: skip
    (folder / "images/0000003.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of the 6 images .* 0000003.jpg"):
        build("FGVCAircraft", make_cfg, tmp_path)


# ImageNet and its variants ----------------------------------------------------------------------

WORDNET = ["n01443537", "n01440764", "n01484850", "n01491361"]  # goldfish, tench, sharks


@pytest.fixture
def imagenet(tmp_path, picture):
    """Four classes: 20 training and 3 test images each; class names are the project's."""
    images = tmp_path / "imagenet/images"
    put(picture, *(images / "train" / w / f"{w}_{i}.JPEG" for w in WORDNET for i in range(20)))
    put(picture, *(images / "val" / w / f"val_{i}.JPEG" for w in WORDNET for i in range(3)))
    return tmp_path


def test_imagenet_is_sorted(make_cfg, imagenet, monkeypatch):
    scandir = os.scandir

    class Backwards:
        def __init__(self, path):
            self.entries = sorted(scandir(path), key=lambda e: e.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    data = build("ImageNet", make_cfg, imagenet, num_shots=4)
    picks = [i.impath for i in data.train_x]
    assert data.classnames == ["tench", "goldfish", "great white shark", "tiger shark"]
    assert data.val == data.test and len(data.test) == 12 and len(picks) == 16
    (imagenet / "imagenet/split_fewshot").rename(imagenet / "elsewhere")
    monkeypatch.setattr(os, "scandir", Backwards)
    again = build("ImageNet", make_cfg, imagenet, num_shots=4)
    assert [i.impath for i in again.train_x] == picks
    base = build("ImageNet", make_cfg, imagenet, num_shots=4, subset="base")
    assert base.classnames == ["tench", "goldfish"] and len(base.val) == len(base.test) == 6


def test_imagenet_takes_the_kept_order_of_another_machine(make_cfg, imagenet, picture):
    whole = build("ImageNet", make_cfg, imagenet)
    theirs = "/home/someone/data/imagenet/images"
    local = imagenet / "imagenet/images"
    kept = {}
    for part, items in (("train", whole.train_x[::-1]), ("test", whole.test[::-1])):
        kept[part] = [Datum(i.impath, i.label, 0, i.classname) for i in items]
        for item in kept[part]:
            item._impath = item.impath.replace(str(local), theirs)
    (imagenet / "imagenet/preprocessed.pkl").write_bytes(pickle.dumps(kept))
    data = build("ImageNet", make_cfg, imagenet)
    assert [i.impath for i in data.train_x] == [i.impath for i in whole.train_x[::-1]]
    assert [i.impath for i in data.test] == [i.impath for i in whole.test[::-1]]


def test_a_kept_list_is_held_to_one_name_a_label_and_to_its_form(make_cfg, imagenet):
    whole = build("ImageNet", make_cfg, imagenet)
    path = imagenet / "imagenet/preprocessed.pkl"
    for change, message in (
        ({"_classname": "carp"}, f"{path}: label 0 is 'tench' in train .* and 'carp' in test"),
        ({"_label": 9}, f"{path}: label 9, 'tench', of test .* has no image in train"),
        ({"_impath": "a.JPEG"}, f"{path} names 'a.JPEG', which is no .*Delete it"),
    ):
        parts = {"train": whole.train_x, "test": [Datum(i.impath, i.label) for i in whole.test]}
        for item in parts["test"]:
            item._classname = whole.lab2cname[item.label]
        vars(parts["test"][0]).update(change)
        path.write_bytes(pickle.dumps(parts))
        with pytest.raises(ValueError, match=message):
            build("ImageNet", make_cfg, imagenet)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match="preprocessed.pkl is no list .* is a Git LFS pointer"):
        build("ImageNet", make_cfg, imagenet)


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("ran-code",)


def test_a_malicious_list_runs_nothing(make_cfg, imagenet, monkeypatch):
    monkeypatch.chdir(imagenet)
    (imagenet / "imagenet/preprocessed.pkl").write_bytes(pickle.dumps({"train": Malicious()}))
    with pytest.raises(ValueError, match="only dassl.data.datasets.base_dataset.Datum is allowed"):
        build("ImageNet", make_cfg, imagenet)
    assert not (imagenet / "ran-code").exists()


def test_imagenet_without_a_class_in_val_is_refused(make_cfg, imagenet):
    for path in (imagenet / "imagenet/images/val" / WORDNET[0]).iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="images of 4 classes and val of 3"):
        build("ImageNet", make_cfg, imagenet)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("ImageNetA", "imagenet-adversarial/imagenet-a"),
        ("ImageNetR", "imagenet-rendition/imagenet-r"),
        ("ImageNetSketch", "imagenet-sketch/images"),
    ],
)
def test_variants(name, folder, make_cfg, tmp_path, picture):
    put(picture, *(tmp_path / folder / w / f"{i}.jpg" for w in WORDNET[:2] for i in range(3)))
    (tmp_path / folder / "README.txt").write_text("not a class")
    (tmp_path / Path(folder).parent / "classnames.txt").write_text(
        "n01440764 my tench\nn01443537 my goldfish\nn99999999 more\n"
    )
    data = build(name, make_cfg, tmp_path, num_shots=1)
    assert data.classnames == ["my tench", "my goldfish"]
    assert data.train_x == data.test and len(data.test) == 6 and not data.val
    with pytest.raises(ValueError, match=f"must be all for {name}.*got 'base'"):
        build(name, make_cfg, tmp_path, subset="base")
    (tmp_path / folder / "n00000000").mkdir()
    with pytest.raises(ValueError, match="1 folders in .* have no line in classnames.txt"):
        build(name, make_cfg, tmp_path)


def test_imagenetv2_counts_its_folders_as_numbers(make_cfg, tmp_path, picture):
    folder = tmp_path / "imagenetv2/imagenetv2-matched-frequency-format-val"
    put(picture, *(folder / str(label) / "x.jpeg" for label in range(1000)))
    data = build("ImageNetV2", make_cfg, tmp_path)
    names = Path(PUBLISHED, "imagenet_classnames.txt").read_text().splitlines()
    assert data.classnames == [line.split(" ", 1)[1] for line in names]
    assert [Path(i.impath).parent.name for i in data.test[:12]] == [str(n) for n in range(12)]
    (folder / "10/x.jpeg").unlink()
    (folder / "10").rmdir()
    with pytest.raises(ValueError, match="1 folders are missing .*: 10"):
        build("ImageNetV2", make_cfg, tmp_path)
