"""A user's lists from end to end: what is wrong is said before anything is trained."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train
from datasets.image_folder import ImageFolder

CONFIG = str(Path(train.__file__).parent / "configs/datasets/folder.yaml")
IMAGES = "abcdefgh"


@pytest.fixture
def folder(tmp_path):
    """Eight images and no list."""
    rng, path = np.random.default_rng(0), tmp_path / "own"
    path.mkdir()
    for name in IMAGES:
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(path / f"{name}.png")
    return path


def arguments(folder, name, *opts):
    opts = ("DATASET.FOLDER.SPLIT", name, *opts)
    return ["--root", str(folder), "--dataset-config-file", CONFIG, "--seed", "1", *opts]


def build(folder, name, shots=-1):
    argv = arguments(folder, name, "DATASET.NUM_SHOTS", str(shots))
    return ImageFolder(train.setup_cfg(train.parse_args(argv)))


def write_split(folder, train_list, test, name="split.json"):
    (folder / name).write_text(json.dumps({"train": train_list, "val": [], "test": test}))


def run(folder, name, weights, output, *flags):
    argv = ["--backbone", weights, "--output-dir", str(output), "--transforms", "normalize", *flags]
    sizes = ("INPUT.SIZE", "(32, 32)", "DATALOADER.NUM_WORKERS", "0")
    return train.main([*argv, *arguments(folder, name, *sizes)])


CAT, DOG = ["a.png", 0, "cat"], ["b.png", 1, "dog"]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (
            [["c.png", 1, "cat"], ["d.png", 0, "dog"]],
            "split.json: label 1 is 'dog' in train (b.png) and 'cat' in test (c.png)",
        ),
        (
            [["c.png", 0, "cat"], ["d.png", 1, "dog"], ["e.png", 2, "bird"]],
            "split.json: label 2, 'bird', of test (e.png) has no image in train",
        ),
    ],
)
def test_labels_that_disagree_end_a_run_before_training(
    folder, tiny_weights, tmp_path, capfd, test, message
):
    write_split(folder, [CAT, DOG], test)
    assert run(folder, "split.json", tiny_weights, tmp_path / "out", "--trainer", "CoOp") == 1
    captured = capfd.readouterr()
    assert message in captured.err and f"error: {folder}" in captured.err
    assert "Loading CLIP" not in captured.out


def test_two_classes_with_the_same_words_are_told_once(folder, tiny_weights, tmp_path, capfd):
    lines = ["image,class,split"]
    lines += [f"{x},{c},train\n{y},{c},test" for x, y, c in zip(
        ("a.png", "b.png", "c.png"), ("d.png", "e.png", "f.png"), ("Big_Cat", " big  cat", "dog"),
        strict=True,
    )]  # fmt: skip
    (folder / "list.csv").write_text("\n".join(lines))
    flags = ("--trainer", "ZeroshotCLIP", "--eval-only")
    assert run(folder, "list.csv", tiny_weights, tmp_path / "out", *flags) == 0
    out = capfd.readouterr().out
    assert out.count("same words to CLIP: 'Big_Cat' = 'big  cat'. Of such classes") == 1


def test_two_lists_in_one_folder_have_picks_of_their_own(folder):
    """The second trains on what the first tests with: shared picks would be another split's."""
    halves = ["a.png,cat,{}", "b.png,cat,{}", "c.png,dog,{}", "d.png,dog,{}"]
    others = ["e.png,cat,{}", "f.png,cat,{}", "g.png,dog,{}", "h.png,dog,{}"]
    for name, first, second in (("one.csv", halves, others), ("two.csv", others, halves)):
        lines = [x.format("train") for x in first] + [x.format("test") for x in second]
        (folder / name).write_text("\n".join(["image,class,split", *lines]))
    picks = {}
    for _ in range(2):  # drawn, then read
        for name in ("one.csv", "two.csv"):
            found = [os.path.basename(i.impath)[0] for i in build(folder, name, 1).train_x]
            assert picks.setdefault(name, found) == found
    assert set(picks["one.csv"]) < set("abcd") and set(picks["two.csv"]) < set("efgh")
    stems = {name.rsplit("-", 1)[0] for name in os.listdir(folder / "split_fewshot")}
    assert stems == {"shot_1-seed_1-one", "shot_1-seed_1-two"}


def test_kept_picks_are_found_however_the_list_spells_a_path(folder, tmp_path):
    outside = tmp_path / "outside.png"
    os.link(folder / "a.png", outside)
    (folder / "sub").mkdir()
    spellings = ["./b.png", "sub/../c.png", f"{folder}/d.png", str(outside)]
    write_split(
        folder,
        [[path, label, f"c{label}"] for label, path in enumerate(spellings)],
        [[f"{name}.png", label, f"c{label}"] for label, name in enumerate("efgh")],
    )
    expected = [str(folder / name) for name in ("b.png", "c.png", "d.png")] + [str(outside)]
    for _ in range(2):  # drawn, then read
        assert [i.impath for i in build(folder, "split.json", 1).train_x] == expected


def test_a_list_from_another_system_names_its_slashes(folder):
    (folder / "list.csv").write_text("image,class\nsub\\a.png,cat\n")
    with pytest.raises(FileNotFoundError, match=r"1 of the 1 images .*Write / in paths, not \\"):
        build(folder, "list.csv")


def test_what_a_split_file_holds_besides_is_said(folder, capsys):
    content = {"train": [CAT], "val": [], "test": [["b.png", 0, "cat"]], "extra": []}
    (folder / "split.json").write_text(json.dumps(content))
    build(folder, "split.json")
    path = folder / "split.json"
    assert f"Note: 'extra' in {path} is not read, only" in capsys.readouterr().out
    path.write_text(json.dumps({**content, "extra": "made in 2026"}))  # no list of images
    build(folder, "split.json")
    assert "is not read" not in capsys.readouterr().out


def test_picks_without_the_lists_name_are_not_read_and_that_is_said(folder, capsys):
    write_split(folder, [CAT, ["c.png", 0, "cat"], DOG], [["e.png", 0, "cat"], ["f.png", 1, "dog"]])
    (folder / "split_fewshot").mkdir()
    write_split(folder, [["c.png", 0, "cat"], DOG], [], name="split_fewshot/shot_1-seed_1.json")
    note = f"Note: the picks in {folder}/split_fewshot/shot_1-seed_1.* are not read"
    for is_said in (True, False):  # when picks are drawn
        build(folder, "split.json", 1)
        assert (note in capsys.readouterr().out) == is_said


@pytest.mark.parametrize(
    ("name", "content"),
    [("list.csv", "image,class\n"), ("list.json", '{"train": [], "val": [], "test": []}')],
)
def test_a_list_without_images_is_named(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=f"^{folder}/{name} names no image"):
        build(folder, name)


def test_classes_that_a_list_lacks_are_of_the_list(folder):
    write_split(folder, [CAT, DOG], [["c.png", 0, "cat"]])
    message = r"split.json has classes without images to test on: 1 \('dog'\)\. Add lines for them"
    with pytest.raises(ValueError, match=message):
        build(folder, "split.json")


def test_a_list_has_the_class_names_and_no_other_file(folder):
    write_split(folder, [CAT, DOG], [["c.png", 0, "cat"], ["d.png", 1, "dog"]])
    argv = arguments(folder, "split.json", "DATASET.FOLDER.CLASSNAMES", "names.txt")
    with pytest.raises(ValueError, match=r"CLASSNAMES \(names.txt\) has no effect with .*SPLIT"):
        ImageFolder(train.setup_cfg(train.parse_args(argv)))


def test_one_class_alone_is_said_and_has_no_halves(folder, tiny_weights, tmp_path, capfd):
    """It would be 100 % right, in base and in new classes of two as well."""
    write_split(folder, [CAT, DOG], [["c.png", 0, "cat"], ["d.png", 1, "dog"]])
    flags = ("--trainer", "ZeroshotCLIP", "--eval-only")
    half = ("DATASET.SUBSAMPLE_CLASSES", "new")
    argv = ["--backbone", tiny_weights, "--output-dir", str(tmp_path / "out"), *flags]
    argv += ["--transforms", "normalize", *arguments(folder, "split.json", *half)]
    assert train.main([*argv, "INPUT.SIZE", "(32, 32)", "DATALOADER.NUM_WORKERS", "0"]) == 0
    assert "Warning: 'dog' is the only class, so that every" in capfd.readouterr().out
    write_split(folder, [CAT], [["c.png", 0, "cat"]])
    with pytest.raises(ValueError, match="new is half of the classes, and there is no more than 1"):
        ImageFolder(train.setup_cfg(train.parse_args(arguments(folder, "split.json", *half))))
