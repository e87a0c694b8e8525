"""What `python -m datasets.check` says of a user's own images, by yaml or by folder."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import train
from datasets.check import main
from datasets.image_folder import KEYS


@pytest.fixture
def birds(tmp_path):
    """Three classes of five pictures, in parts, with what a folder on a desktop gathers."""
    rng = np.random.default_rng(0)
    for part, count in (("Train", 3), ("test", 2)):
        for name in ("owl", "elk", "Große Eule"):
            folder = tmp_path / "birds" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    (tmp_path / "birds/Train/owl/.DS_Store").write_text("x")
    (tmp_path / "birds.yaml").write_text(
        "DATASET:\n  NAME: ImageFolder\n  FOLDER:\n    PATH: birds\n"
    )
    return tmp_path


def check(capsys, *arguments) -> tuple[int, str, list[str]]:
    """The exit code, the line of the table, and the remarks."""
    code = main([str(argument) for argument in arguments])
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    start = next(number for number, line in enumerate(lines) if line.startswith("-----"))
    return code, " ".join(lines[start + 1].split()), lines[start + 2 :]


def test_a_whole_set_by_yaml_and_by_folder(birds, capsys):
    row = f"birds found 3 9 0 6 {birds}/birds"
    few = "birds: classes with fewer than 16 images to train on, of which all are taken: 3 of 3 "
    few += "(Große Eule (3), elk (3), owl (3))"
    left = "birds: left out: entries of the operating system: 1 (Train/owl/.DS_Store)"
    assert check(capsys, birds, birds / "birds.yaml") == (0, row, [left, few])
    assert check(capsys, birds / "birds") == (0, row, [left, few])
    assert check(capsys, birds / "birds", "--deep") == (0, row, [left, few])


def test_copies_and_unreadable_images(birds, capsys):
    folder = birds / "birds"
    shutil.copy(folder / "Train/owl/0.png", folder / "test/owl/copy.png")
    (folder / "test/elk/0.png").write_bytes(b"no picture")
    Image.fromarray(np.full((4, 4), 700, np.float32)).save(folder / "test/elk/x.tif")
    code, row, remarks = check(capsys, folder)
    assert (code, row) == (0, f"birds found 3 9 0 8 {folder}")
    code, row, remarks = check(capsys, folder, "--deep")
    assert (code, row) == (1, f"birds incomplete 3 9 0 6 {folder}")
    assert remarks[0].startswith(
        f"birds: 2 unreadable in {folder}: test/elk/0.png (it is a text file that"
    )
    assert "test/elk/x.tif (its floats are 700 to 700; which of them is white" in remarks[0]
    copies = "birds: images of test that are copies of images of train: 1 (test/owl/copy.png of Tr"
    assert remarks[2].startswith(copies)
    text = (birds / "birds.yaml").read_text()
    (birds / "skip.yaml").write_text(f"{text}    SKIP_UNREADABLE: True\n    NAME: my birds\n")
    code, row, remarks = check(capsys, birds, birds / "skip.yaml", "--deep")
    assert (code, row) == (0, f"my birds found 3 9 0 6 {folder}")


def test_a_folder_of_loose_pictures_is_of_ones_own(birds, capsys):
    code, row, remarks = check(capsys, birds / "birds/test/owl")
    assert (code, row) == (1, f"owl incomplete 0 0 0 0 {birds}/birds/test/owl")
    assert "no folders, one per class, with images in them. It holds 2 images itself" in remarks[0]


def test_files_that_are_no_pictures_are_called_what_they_are(birds, capsys):
    folder = birds / "birds"
    (folder / "test/elk/lfs.png").write_text("version https://git-lfs.github.com/spec/v1\nsize 1")
    (folder / "test/elk/no.png").write_bytes(b"")
    (folder / "test/elk/page.jpg").write_text("<!DOCTYPE html><html>")
    code, _, remarks = check(capsys, folder, "--deep")
    assert code == 1 and remarks[0] == (
        f"birds: 3 unreadable in {folder}: test/elk/lfs.png (it is a Git LFS pointer, which stands "
        "for the file (git lfs pull fetches the file itself)), test/elk/no.png (it is an empty "
        "file), test/elk/page.jpg (it is an HTML page, as a download leaves it that needs a login "
        "or a confirmation)"
    )


def test_pictures_that_come_out_almost_black_are_named(birds, capsys):
    """12 bits in a file of 16, which says nothing of it, and a mask of 0 and 1."""
    for name, white in (("dark", 4095), ("light", 65535)):
        pixels = np.array([[0, white]], np.uint16)
        Image.fromarray(pixels).save(birds / f"birds/test/elk/{name}.png")
    Image.fromarray(np.array([[0, 1]], np.uint8)).save(birds / "birds/test/elk/mask.png")
    Image.fromarray(np.array([[0, 16]], np.uint8)).save(birds / "birds/test/elk/night.png")
    code, _, remarks = check(capsys, birds / "birds", "--deep")
    assert code == 0 and remarks[1] == (
        "birds: images that are almost black as they are read: 2 (test/elk/dark.png, "
        "test/elk/mask.png); if their white is darker than that of their kind (12 bits in 16, "
        "masks of 0 and 1), save them with 8 bits and white as 255"
    )


def test_classes_with_the_same_words_are_named(birds, capsys):
    for part in ("Train", "test"):
        shutil.copytree(birds / "birds" / part / "owl", birds / "birds" / part / "OWL_")
    code, _, remarks = check(capsys, birds / "birds")
    words = "birds: class names that are the same words to CLIP: 1 ('OWL_' = 'owl')"
    assert code == 0 and words in remarks


def test_one_tree_is_not_split_by_looking(birds, capsys):
    shutil.rmtree(birds / "birds/test")
    code, row, _ = check(capsys, birds / "birds/Train")
    assert (code, row) == (0, f"Train found 3 6 0 3 {birds}/birds/Train")
    assert not list(birds.rglob("split*"))
    code, row, remarks = check(capsys, birds / "birds")
    assert (code, row) == (1, f"birds incomplete 0 0 0 0 {birds}/birds")
    assert "holds only Train/. To have the images of" in remarks[0]


def test_what_lacks_is_said(birds, capsys):
    (birds / "birds/Train/emu").mkdir()
    code, row, remarks = check(capsys, birds, birds / "birds.yaml")
    assert code == 1 and "classes without any image: 1 ('emu')" in remarks[0]
    assert row == f"birds incomplete 3 9 0 6 {birds}/birds"
    code, row, remarks = check(capsys, birds / "nowhere", birds / "birds.yaml")
    assert (code, row) == (1, f"birds missing 0 0 0 0 {birds}/nowhere/birds")
    assert remarks == [
        f"birds: no folder {birds}/nowhere/birds. Set DATASET.FOLDER.PATH (now 'birds') to it, "
        "absolute or below DATASET.ROOT (--root; DATA of the scripts)."
    ]
    code, _, remarks = check(capsys, birds)
    assert code == 1 and "Set DATASET.FOLDER.PATH to" in remarks[0]


def test_a_list_with_shared_images(birds, capsys):
    entries = [["Train/owl/0.png", 0, "owl"], ["Train/owl/1.png", 0, "owl"]]
    split = {"train": entries, "val": [], "test": entries[:1]}
    (birds / "birds/list.json").write_text(json.dumps(split))
    (birds / "list.yaml").write_text((birds / "birds.yaml").read_text() + "    SPLIT: list.json\n")
    code, row, remarks = check(capsys, birds, birds / "list.yaml")
    assert (code, row) == (0, f"list found 1 2 0 1 {birds}/birds")
    assert remarks[0].startswith("list: left out: images that ")
    assert remarks[0].endswith("list.json does not name: 1 (Train/owl/2.png)")
    assert remarks[1].startswith(
        "list: images of test that are also in train: 1 (Train/owl/0.png);"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DATASET: [", "is no yaml with the key DATASET"),
        ("- a", "is no yaml with the key DATASET"),
        (
            "DATASET:\n  NAME: ImageFolder\n  FOLDER:\n    PTAH: x",
            r"no key DATASET.FOLDER.PTAH; the",
        ),
        (
            "DATASET:\n  NAME: Other",
            "no data set is called 'Other'.* Nor is it a yaml of ImageFolder",
        ),
    ],
)
def test_yamls_that_are_none(birds, capsys, text, message):
    (birds / "x.yaml").write_text(text)
    with pytest.raises(SystemExit):
        main([str(birds), str(birds / "x.yaml")])
    assert re.search(message, capsys.readouterr().err, re.S)


def test_the_keys_are_those_of_the_config():
    cfg = train.setup_cfg(train.parse_args([]))
    assert dict(cfg.DATASET.FOLDER) == dict(KEYS)


def test_a_root_without_anything_is_asked_for_all(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("missing") == 15
