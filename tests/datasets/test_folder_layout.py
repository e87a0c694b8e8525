"""How folders of a user's images are read: used as they are meant, or refused with what to do."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

import train
from datasets.image_folder import ImageFolder

CONFIG = str(Path(train.__file__).parent / "configs/datasets/folder.yaml")


@pytest.fixture
def make(tmp_path):
    """Makes files below a folder, each picture another one; an ending slash makes a folder."""

    def build(*paths: str) -> Path:
        root = tmp_path / "birds"
        for number, path in enumerate(paths):
            file = root / path
            if path.endswith("/"):
                file.mkdir(parents=True)
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            content = io.BytesIO()
            Image.new("RGB", (2, 2), (number % 256, number // 256, 7)).save(content, "PNG")
            file.write_bytes(content.getvalue())
        return root

    return build


def tree(*folders: str, images: int = 4) -> list[str]:
    return [f"{folder}/{number}.png" for folder in folders for number in range(images)]


def read(root: Path, *opts: object) -> ImageFolder:
    argv = ["--root", str(root), "--dataset-config-file", CONFIG, *map(str, opts)]
    return ImageFolder(train.setup_cfg(train.parse_args(argv)))


def sizes(data: ImageFolder) -> tuple[int, int, int]:
    return len(data.train_x), len(data.val), len(data.test)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Train", "Test"), (8, 0, 8)),
        (("training", "testing"), (8, 0, 8)),
        (("TRAIN", "Valid", "test"), (8, 8, 8)),
        (("train", "validation", "Testing"), (8, 8, 8)),
    ],
)
def test_parts_by_their_usual_names(make, names, expected):
    root = make(*tree(*(f"{name}/{label}" for name in names for label in ("cat", "dog"))))
    data = read(root)
    assert sizes(data) == expected and data.classnames == ["cat", "dog"]
    assert Path(data.test[0].impath) == root / names[-1] / "cat/0.png"
    assert data.remarks == []


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_without_test_images_validation_is_the_test(make, capsys, name):
    data = read(make(*tree("train/cat", "train/dog", f"{name}/cat", f"{name}/dog")))
    assert sizes(data) == (8, 0, 8) and f"/{name}/" in data.test[0].impath
    said = f"has no folder test: the images of {name} are taken as test images, and none are left"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (tree("inner/train/cat", "inner/test/cat"), r"one level too high. It holds only inner/, and"
         r" that test, train\. Set DATASET.FOLDER.PATH to .*birds/inner"),
        ([*tree("birds/cat", "birds/dog"), "__MACOSX/birds/._0.png"], r"one level too high\."),
        (tree("photo/cat", "photo/dog", "sketch/Cat", "sketch/dog"), r"photo, sketch hold the same "
         r"folders \(cat, dog\)\. They are domains: make a yaml for each, with .*birds/photo"),
        (tree("cat/train", "cat/test", "dog/train", "dog/test"), "classes with parts in them, the "
         "wrong way round: make it train/<class>/ and"),
        (tree("a/train/x", "a/test/x", "b/train/y", "b/test/y"), "Each is a data set: make a yaml"),
        (tree("pets/cat", "pets/dog", "birds/owl"), "no images one level down: birds, pets hold "
         "folders, birds/ for example owl. If those are the classes"),
        (tree("train/cat", "train/dog"), r"holds only train/\. To have the images of .*birds/train "
         r"split .* set DATASET.FOLDER.PATH to .*birds/train"),
        (tree("val/cat", "Test/cat"), r"holds val/, Test/ and no train/\."),
        (tree("train", "test"), r"train has no folders, one per class\. It holds 4 images itself"),
        (tree("train/cat", "test"), "test holds 4 images and no folders, one per class"),
        (tree("train/cat", "val/cat", "test"), "test holds 4 images and no"),
        (tree("train/cat", "training/cat", "test/cat"), "and training, which both mean train"),
        (tree("train/cat", "test/Cat", "test/owl"), "classes 'Cat', 'owl', which train/ does not hav"
         r"e \(Cat is cat there\)"),
        (["0.png", "1.png"], r"no folders, one per class, .* It holds 2 images itself \(0.png, 1.p"),
        ([*tree("cat"), "dog/", "owl/", "elk/1.png"], r"2 classes have no image at all \('dog', 'ow"
         r"l'\); 1 class has no image to train on \('elk'\)\. Add images .* split needs 2 a class"),
        ([*tree("train/cat", "test/cat", "train/dog"), "test/dog/"], "1 class has no image to test "
         r"on \('dog'\)"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_explained(make, paths, message):
    root = make(*paths)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read(root)
    assert not list(root.rglob("*.json"))


def test_what_is_left_out_is_counted(make, capsys):
    paths = [
        *tree("cat", "dog"), "cat/old/5.png", "cat/old/er/6.png", "a.png", "notes.md",
        "cat/.DS_Store", "cat/._0.png", "dog/Thumbs.db", "cat/7.heic", "dog/list.TXT", "dog/x.txt",
        "dog/README", ".directory/1.png", "__MACOSX/cat/._0.png",
    ]  # fmt: skip
    root = make(*paths)
    data = read(root)
    assert sum(sizes(data)) == 8 and data.classnames == ["cat", "dog"]
    out = capsys.readouterr().out
    for words in (
        "1 images in no class folder (a.png)",
        "2 images in folders below class folders (cat/old/5.png, cat/old/er/6.png): move them up",
        "4 files without the suffix of an image (.txt 2, .heic 1, no suffix 1)",
        "5 entries of the operating system (.directory, __MACOSX, cat/.DS_Store and 2 more)",
    ):
        assert f"birds: left out in {root}: {words}" in out
    read(root)
    assert "4 files without the suffix" in capsys.readouterr().out  # also with a split


def test_what_is_left_out_beside_parts(make):
    root = make(*tree("train/cat", "test/cat", "extra/cat"), "0.png", "test/1.png", "test/cat/b.x")
    assert read(root).remarks == [
        f"left out in {root}, beside train, test: extra",
        f"left out in {root}: 2 images in no class folder (test/1.png, 0.png)",
        f"left out in {root}: 1 files without the suffix of an image (.x 1)",
    ]


def test_what_a_list_does_not_name_is_counted(make):
    root = make(*tree("cat", "dog"), "other/1.png")
    lines = ["image,class,split", "cat/0.png,cat,train", "cat/1.png,cat,test"]
    (root / "list.csv").write_text("\n".join(lines))
    data = read(root, "DATASET.FOLDER.SPLIT", "list.csv")
    named = "cat/2.png, cat/3.png"
    assert data.remarks == [f"left out: 2 images that {root}/list.csv does not name ({named})"]


@pytest.mark.parametrize(("count", "expected"), [(2, (1, 0, 1)), (3, (2, 0, 1)), (4, (2, 1, 1))])
def test_two_images_a_class_are_enough_for_a_split(make, count, expected):
    assert sizes(read(make(*tree("cat", images=count)))) == expected


def test_fewer_images_than_shots_are_said_once(make, capsys):
    root = make(*tree("cat", images=8), *tree("dog", images=40), *tree("owl", images=6))
    read(root, "DATASET.NUM_SHOTS", 16)
    warning = (
        "Warning: 2 of 3 classes have fewer than 16 images to train on, all of which are taken"
    )
    assert capsys.readouterr().out.count(f"{warning}: cat (4), owl (3)") == 1
    read(root, "DATASET.NUM_SHOTS", 3)
    assert "fewer than" not in capsys.readouterr().out


def test_shared_images_of_a_list_are_counted(make, capsys):
    root = make(*tree("cat"))
    lines = [["cat/0.png", 0, "cat"], ["cat/1.png", 0, "cat"], ["cat/2.png", 0, "cat"]]
    split = {"train": lines, "val": lines[:1], "test": [["./cat/0.png", 0, "cat"], *lines[1:2]]}
    (root / "list.json").write_text(json.dumps(split))
    read(root, "DATASET.FOLDER.SPLIT", "list.json", "DATASET.NUM_SHOTS", 1)
    out = capsys.readouterr().out
    assert "Warning: 2 images of test are also in train (cat/0.png, cat/1.png): they say" in out
    assert "Warning: 1 images of val are also in train (cat/0.png): they" in out
    assert "Warning: 1 images of test are also in val (cat/0.png): they" in out
