"""Lists that benchmarks come with, of almost the right form: the line is quoted."""

import os

import pytest

from datasets.fgvc_aircraft import FGVCAircraft
from datasets.imagenetv2 import ImageNetV2
from datasets.split_file import PUBLISHED, read_entries
from datasets.sun397 import SUN397
from datasets.wordnet import read_classnames


def located(kind, root):
    """A data set whose paths are set and that has read nothing."""
    dataset = object.__new__(kind)
    dataset.locate(str(root))
    return dataset


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("n01440764 tench\nn01443537 goldfish\n", ["tench", "goldfish"]),
        ("n01440764\ttench\nn01443537\tgreat  white shark\n\n", ["tench", "great  white shark"]),
        # Names that begin with a number.
        ("n01440764 tench\nn01443537 9 iron\n", ["tench", "9 iron"]),
        ("n01440764 tench\nn01443537 2_wheeler\n", ["tench", "2_wheeler"]),
    ],
)
def test_names_by_wordnet_id(tmp_path, content, names):
    (tmp_path / "classnames.txt").write_text(content)
    expected = dict(zip(["n01440764", "n01443537"], names, strict=True))
    assert read_classnames(str(tmp_path)) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("n01440764 1 tench\nn01443537 2 goldfish\n", "line 1 .*got 'n01440764 1 tench'"),
        ("n01440764 389 tench\nn01443537 127 goldfish\n", "line 1 .*got 'n01440764 389 tench'"),
        ("n01440764 tench\nn01443537 1 goldfish\n", "line 2 .*got 'n01443537 1 goldfish'"),
        ("n01440764 0\nn01443537 1\n", "line 1 .*without a label.* got 'n01440764 0'"),
        ("n01440764\n", "line 1 must be '<WordNet id> <name>'; got 'n01440764'"),
        ("n01440764 tench\n1 n01443537 goldfish\n", "line 2 must be .*'1 n01443537 goldfish'"),
        ("n01440764,tench\n", "line 1 must be .*; got 'n01440764,tench'"),
        ("n01440764 tench\nn01440764 carp\n", "has n01440764 more than once, in the lines 1 and 2"),
    ],
)
def test_names_by_wordnet_id_of_almost_the_right_form(tmp_path, content, message):
    (tmp_path / "classnames.txt").write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        read_classnames(str(tmp_path))
    assert str(error.value).startswith(str(tmp_path / "classnames.txt"))


def test_imagenetv2_counts_sorted_ids_whatever_the_order_of_the_list(tmp_path):
    dataset = located(ImageNetV2, tmp_path)
    for label in range(3):
        os.makedirs(os.path.join(dataset.image_dir, str(label)))
    lines = "n01484850 great white shark\nn01440764 tench\nn01443537 goldfish\n"
    (tmp_path / "imagenetv2/classnames.txt").write_text(lines)
    assert dataset.classnames_by_folder() == {
        "0": "tench", "1": "goldfish", "2": "great white shark",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("variants.txt", "A300B4\n707-320\nA300B4\n", "has A300B4 more than once, in the lines 1"),
        ("images_variant_val.txt", "0001 A300B4\n0002 B-52\n", "line 2 must be .* got '0002 B-52'"),
        ("images_variant_test.txt", "\n0001\n", "line 2 must be '<image> <variant .* got '0001'"),
        ("images_variant_train.txt", "0001 A300B4\n0001 707-320\n", "has 0001 more than once"),
        ("images_variant_train.txt", "<!doctype html>", "is a web page"),
    ],
)
def test_lists_of_aircraft(tmp_path, name, content, message):
    dataset = located(FGVCAircraft, tmp_path)
    os.makedirs(dataset.dataset_dir)
    lists = {f"images_variant_{part}.txt": "0007 A300B4\n" for part in ("train", "val", "test")}
    for file, text in ({"variants.txt": "A300B4\n707-320\n"} | lists | {name: content}).items():
        with open(os.path.join(dataset.dataset_dir, file), "w") as handle:
            handle.write(text)
    with pytest.raises(ValueError, match=message) as error:
        dataset.entries()
    assert str(error.value).startswith(os.path.join(dataset.dataset_dir, name))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ClassName.txt", "/a/abbey\nabbey\n", "line 2 must be '/<first .*/<class>'; got 'abbey'"),
        ("ClassName.txt", "/a/abbey 1\n", "line 1 must be .*; got '/a/abbey 1'"),
        ("ClassName.txt", "/a/abbey\n/a/abbey\n", "has /a/abbey more than once"),
        ("Training_01.txt", "/a/abbey/x.jpg\n/a/alley/x.jpg\n", "line 2 must be .*/a/alley/x.jpg"),
        ("Training_01.txt", "a/abbey/x.jpg\n", "line 1 must be .*; got 'a/abbey/x.jpg'"),
        ("Training_01.txt", "/a/abbey/x.jpg\n/a/abbey/x.jpg\n", "x.jpg more than once"),
    ],
)
def test_lists_of_sun397(tmp_path, name, content, message):
    dataset = located(SUN397, tmp_path)
    os.makedirs(dataset.dataset_dir)
    for file, text in ({"ClassName.txt": "/a/abbey\n"} | {name: content}).items():
        with open(os.path.join(dataset.dataset_dir, file), "w") as handle:
            handle.write(text)
    with pytest.raises(ValueError, match=message) as error:
        dataset.build_split()
    assert str(error.value).startswith(os.path.join(dataset.dataset_dir, name))


def test_the_lists_that_come_with_the_project_pass():
    assert len(read_classnames("")) == 1000
    for name in sorted(os.listdir(PUBLISHED)):
        if name.endswith(".json.gz"):
            assert all(read_entries(os.path.join(PUBLISHED, name)).values())
