"""How folders of a user's images are read: used as they are meant, or refused with what to do."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

import train
from datasets.image_folder import ImageFolder
from datasets.listing import images_below

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
            Image.new("RGB", (2, 2), (number % 256, number // 256, 77)).save(content, "PNG")
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
    root = make(*tree("train/cat", "train/dog", f"{name}/cat", f"{name}/dog"))
    data = read(root)
    assert sizes(data) == (8, 0, 8) and f"/{name}/" in data.test[0].impath
    said = f"has no folder test: the images of {name} are taken as test images, and none are left"
    out = capsys.readouterr().out
    assert said in out and "Warning" not in out
    read(root, "TEST.FINAL_MODEL", "best_val")
    assert "best_val chooses the epoch by the test images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (tree("in/train/cat", "in/test/cat"), "one level too high. It holds only in/, an"
         r"d that test, train\. Set DATASET.FOLDER.PATH to .*birds/in"),
        ([*tree("birds/cat", "birds/dog"), "birds/x.png", "__MACOSX/x.png"], "one level too high"),
        (tree("photo/cat", "photo/dog", "sketch/Cat", "sketch/dog"), r"photo, sketch hold the same "
         r"folders \(cat, dog\)\. If they are domains, make a yaml for each, with .*birds/photo"),
        (tree("train/cat", "train/dog", "dev/cat", "dev/dog"), "; if they are parts, call them"),
        (tree("cat/train", "cat/test", "dog/train", "dog/test"), "classes with parts in them, the "
         "wrong way round: make it train/<class>/ and"),
        (tree("a/train/x", "a/test/x", "b/train/y", "b/test/y"), "Each is a data set: make a yaml"),
        (tree("pets/cat", "pets/dog", "birds/owl"), "more than one level down: in birds, pets "
         "are folders, in birds/ owl. If those are the classes"),
        (tree("train/cat", "train/dog"), r"holds only train/\. To have the images of .*birds/train "
         r"split .* set DATASET.FOLDER.PATH to .*birds/train"),
        (tree("val/cat", "Test/cat"), r"holds val/, Test/ and no train/\."),
        (tree("train", "test"), r"train has no folders, one per class\. It holds 4 images itself"),
        (tree("train/cat", "test"), "test holds 4 images and no folders, one per class"),
        (tree("train/cat", "val/cat", "test"), "test holds 4 images and no f"),
        (tree("train/cat", "training/cat", "test/cat"), "and training, which both mean train"),
        (tree("train/cat", "test/Cat", "test/owl"), r"/ does not have: 2 \('Cat', 'owl'\)"
         "; Cat is cat there. Every"),
        (["0.png", "1.png"], r"no folders, one per class, .* It holds 2 images itself \(0.png, 1"),
        ([*tree("cat"), "dog/", "owl/", "elk/1.png"], r"classes without any image: 2 \('dog', 'ow"
         r"l'\); without images to train on: 1 \('elk'\)\. Add images .* split needs 2 a class"),
        ([*tree("train/cat", "test/cat", "train/dog"), "test/dog/"], r"without images to test on: 1"
         r" \('dog'\)"),
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
        "images in no class folder: 1 (a.png)",
        "images in folders below class folders: 2 (cat/old/5.png, cat/old/er/6.png)",
        "files without the suffix of an image: 4 (.txt 2, .heic 1, no suffix 1)",
        "entries of the operating system: 5 (.directory, __MACOSX, cat/.DS_Store and 2 more)",
    ):
        assert f"birds: left out: {words}\n" in out
    read(root)
    assert "files without the suffix" in capsys.readouterr().out  # also with a split


def test_what_is_left_out_beside_parts(make):
    root = make(*tree("train/cat", "test/cat", "extra/cat"), "0.png", "test/1.png", "test/cat/b.x")
    assert read(root).remarks == [
        "left out: folders beside train, test: 1 (extra)",
        "left out: images in no class folder: 2 (test/1.png, 0.png)",
        "left out: files without the suffix of an image: 1 (.x 1)",
    ]


def test_what_a_list_does_not_name_is_counted(make):
    root = make(*tree("cat", "dog"), "other/1.png")
    lines = ["image,class,split", "cat/0.png,cat,train", "cat/1.png,cat,test"]
    (root / "list.csv").write_text("\n".join(lines))
    data = read(root, "DATASET.FOLDER.SPLIT", "list.csv")
    named = "cat/2.png, cat/3.png"
    assert data.remarks == [f"left out: images that {root}/list.csv does not name: 2 ({named})"]


@pytest.mark.parametrize(("count", "expected"), [(2, (1, 0, 1)), (3, (2, 0, 1)), (4, (2, 1, 1))])
def test_two_images_a_class_are_enough_for_a_split(make, count, expected):
    assert sizes(read(make(*tree("cat", images=count)))) == expected


def test_fewer_images_than_shots_are_said_once(make, capsys):
    root = make(*tree("cat", images=8), *tree("dog", images=40), *tree("owl", images=6))
    read(root, "DATASET.NUM_SHOTS", 16)
    warning = (
        "Warning: classes with fewer than 16 images to train on, of which all are taken: 2 of 3"
    )
    assert capsys.readouterr().out.count(f"{warning} (cat (4), owl (3))") == 1
    read(root, "DATASET.NUM_SHOTS", 3)
    assert "with fewer" not in capsys.readouterr().out


def test_shared_images_of_a_list_are_counted(make, capsys):
    root = make(*tree("cat"))
    lines = [["cat/0.png", 0, "cat"], ["cat/1.png", 0, "cat"], ["cat/2.png", 0, "cat"]]
    split = {"train": lines, "val": lines[:1], "test": [["./cat/0.png", 0, "cat"], *lines[1:2]]}
    (root / "list.json").write_text(json.dumps(split))
    read(root, "DATASET.FOLDER.SPLIT", "list.json", "DATASET.NUM_SHOTS", 1)
    out = capsys.readouterr().out
    assert "Warning: images of test that are also in train: 2 (cat/0.png, cat/1.png); they" in out
    assert "Warning: images of val that are also in train: 1 (cat/0.png); they" in out
    assert "Warning: images of test that are also in val: 1 (cat/0.png); they" in out
    assert "more than once" not in out
    split["test"].append(["cat/0.png", 0, "cat"])
    (root / "list.json").write_text(json.dumps(split))
    read(root, "DATASET.FOLDER.SPLIT", "list.json")
    assert (
        "Warning: images that test holds more than once: 1 (cat/0.png)" in capsys.readouterr().out
    )


def test_links_in_a_circle_are_named_and_other_links_are_followed(make):
    root = make(*tree("train/a", images=2), "../elsewhere/0.png")
    (root / "train/a/more").symlink_to(root.parent / "elsewhere")
    assert images_below(str(root)) == ["train/a/0.png", "train/a/1.png", "train/a/more/0.png"]
    (root / "train/a/loop").symlink_to(root / "train")
    with pytest.raises(ValueError, match="train/a/loop is a link to a folder that it is in"):
        images_below(str(root))
