"""A user's own pictures: tuned and evaluated by configuration alone, whatever their format."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

import train
from datasets.image_folder import ImageFolder
from promptkit.runs.results import near_chance
from promptkit.use import features

CLASSES = ("Kühe im Stall", "Äpfel", "猫 und Hund")
SIZE = 32  # of the tiny CLIP
CONFIG = str(Path(train.__file__).parent / "configs/datasets/folder.yaml")


def save(folder: Path, number: int, rng) -> None:
    """Picture number n of a class, in one of six kinds of file."""
    pixels = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    kind = number % 6
    stem = folder / f"bild {number}"
    if kind == 0:
        image.save(f"{stem}.jpg")
    elif kind == 1:
        image.save(f"{stem}.PNG")
    elif kind == 2:
        image.save(f"{stem}.webp")
    elif kind == 3:
        image.convert("CMYK").save(f"{stem}.jpeg")
    elif kind == 4:
        grey = pixels[..., 0].astype(np.uint16) * 257
        Image.fromarray(grey).save(f"{stem}.png")
    else:
        image.convert("P").save(f"{stem}.png")


@pytest.fixture
def pictures(tmp_path):
    """Three classes of 12 pictures, one folder each."""
    root, rng = tmp_path / "meine Bilder", np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for number in range(12):
            save(root / name, number, rng)
    return root


def cfg_of(root, *opts):
    argv = ["--root", str(root), "--dataset-config-file", CONFIG, *map(str, opts)]
    return train.setup_cfg(train.parse_args(argv))


def run(root, weights, output, *opts) -> tuple[int, dict]:
    argv = [
        "--transforms", "normalize",
        "--root", str(root), "--dataset-config-file", CONFIG, "--trainer", "CoOp", "--seed", "1",
        "--backbone", weights, "--output-dir", str(output),
        "DATASET.NUM_SHOTS", "2", "INPUT.SIZE", f"({SIZE}, {SIZE})",
        "DATALOADER.NUM_WORKERS", "0", "DATALOADER.TRAIN_X.BATCH_SIZE", "6", "OPTIM.MAX_EPOCH", "1",
        *opts,
    ]  # fmt: skip
    code = train.main(argv)
    path = output / "result.json"
    return code, json.loads(path.read_text()) if path.exists() else {}


def test_one_tree_tunes_and_evaluates(pictures, tiny_weights, tmp_path):
    code, result = run(pictures, tiny_weights, tmp_path / "out")
    assert code == 0 and result["dataset"] == "meine Bilder"
    identity = result["own_data"]
    assert (identity["path"], identity["list"]) == (str(pictures), "")
    assert [(c["name"], c["total"]) for c in result["per_class"]] == [
        (name, 4)
        for name in sorted(CLASSES)  # 12 images: 6 to train, 2 for validation
    ]
    split = json.loads((pictures / "split_50_20_30.json").read_text())
    assert [len(split[part]) for part in ("train", "val", "test")] == [18, 6, 12]
    first = (pictures / "split_50_20_30.json").read_bytes()
    ImageFolder(cfg_of(pictures))
    assert (pictures / "split_50_20_30.json").read_bytes() == first


def yaml_of(folder: Path, name: str, **keys: str) -> str:
    path = folder / f"{name}.yaml"
    lines = "".join(f"    {key}: {value!r}\n" for key, value in keys.items())
    path.write_text(f"DATASET:\n  NAME: ImageFolder\n  FOLDER:\n{lines}", encoding="utf-8")
    return str(path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def own(root, config: str, *opts) -> ImageFolder:
    argv = ["--root", str(root), "--dataset-config-file", config, *opts]
    return ImageFolder(train.setup_cfg(train.parse_args(argv)))


def test_a_set_is_named_by_its_yaml_and_told_from_others(pictures, tmp_path):
    plain = yaml_of(tmp_path, "birds", PATH=str(pictures))
    assert own("/", plain).title == "birds"
    assert own("/", plain, "DATASET.FOLDER.NAME", "owls").title == "owls"
    assert own("/", yaml_of(tmp_path, "x", PATH=str(pictures), NAME="my set")).title == "my set"
    assert ImageFolder(cfg_of(pictures)).title == "meine Bilder"
    assert own("/", plain, "DATASET.NAME", "ImageFolder").keys.NAME == "birds"
    with pytest.raises(ValueError, match="EuroSAT is another data set's name.*DATASET.FOLDER.NAME"):
        own("/", plain, "DATASET.FOLDER.NAME", "EuroSAT")
    for name in ("a\nb", "../x"):  # it stands in a line that scripts look for
        with pytest.raises(ValueError, match="DATASET.FOLDER.NAME must be one line of letters"):
            own("/", plain, "DATASET.FOLDER.NAME", name)

    lines = ["image,class,split"]
    for name in CLASSES:
        lines += [f"{name}/bild 1.PNG,{name},train", f"{name}/bild 2.webp,{name},test"]
    (pictures / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    identity = own("/", plain, "DATASET.FOLDER.SPLIT", "list.csv").identity
    images = [("train", name, "bild 1.PNG") for name in CLASSES]
    images += [("test", name, "bild 2.webp") for name in CLASSES]
    text = sorted(
        f"{part}\t{name}/{image}\t{sha256(pictures / name / image)}\t{name}"
        for part, name, image in images
    )
    assert identity == {
        "path": str(pictures),
        "list": "list.csv",
        "images_sha256": hashlib.sha256("\n".join(text).encode()).hexdigest(),
    }


def test_its_name_is_that_of_the_plan_and_of_features_too(pictures, tiny_weights, tmp_path):
    """In a run's folder that has the name of a file."""
    output, path = tmp_path / "out.txt", tmp_path / "out.safetensors"
    assert run(pictures, tiny_weights, output, "DATASET.FOLDER.NAME", "birds")[0] == 0
    log = (output / "log.txt").read_text().splitlines()
    assert log[0] == "CoOp on birds, all classes, 2 shots, seed 1"
    assert "  training  1 epoch, batches of 6, adam," in "\n".join(log)
    assert features.main([str(output), str(path)]) == 0
    with safe_open(path, "pt") as file:
        assert file.metadata()["dataset"] == "birds"


def test_the_identity_is_that_of_all_images(pictures):
    whole = ImageFolder(cfg_of(pictures)).identity
    for opts in (("DATASET.NUM_SHOTS", 1), ("DATASET.SUBSAMPLE_CLASSES", "new"), ("SEED", 5)):
        assert ImageFolder(cfg_of(pictures, *opts)).identity == whole
    image = pictures / "Äpfel/bild 1.PNG"
    Image.new("RGB", (9, 9)).save(image)
    assert ImageFolder(cfg_of(pictures)).identity != whole


def test_the_identity_is_that_of_the_images_content(pictures):
    """Also of the same size, and with checksums kept in a file that was damaged."""
    image = pictures / "Äpfel/bild 1.PNG"
    whole, content = ImageFolder(cfg_of(pictures)).identity, image.read_bytes()
    kept = pictures / "sha256_of_images.json"
    sums = json.loads(kept.read_text())
    assert len(sums) == 36 and sums["Äpfel/bild 1.PNG"][2] == sha256(image)
    image.write_bytes(content[:-1] + b"x")
    assert ImageFolder(cfg_of(pictures)).identity != whole
    image.write_bytes(content)
    for damaged in ("", "[1]", '{"Äpfel/bild 1.PNG": [1]}'):
        kept.write_text(damaged)
        assert ImageFolder(cfg_of(pictures)).identity == whole
        assert json.loads(kept.read_text()) == sums | {
            "Äpfel/bild 1.PNG": [len(content), image.stat().st_mtime_ns, sha256(image)]
        }


@pytest.mark.parametrize("white, is_said", [(1, True), (15, True), (16, False), (255, False)])
def test_a_set_that_comes_out_almost_black_is_said(pictures, capsys, white, is_said):
    """Masks of 0 and 1 are; a few black images among others are not."""
    for number, path in enumerate(sorted(pictures.rglob("bild*"))):
        pixels = np.full((9, 9), 0 if number % 4 == 0 else white, np.uint8)
        Image.fromarray(pixels).save(path.with_suffix(".png"))
        if path.suffix != ".png":
            path.unlink()
    ImageFolder(cfg_of(pictures))
    said = "Warning: meine Bilder: of 16 images looked at 16 are almost black as they are read ("
    assert (said in capsys.readouterr().out) == is_said


def test_an_accuracy_near_chance_is_said():
    def note(accuracy: float, classes: int, backbone: str = "Pocket", own_data=True) -> str:
        result = {"metrics": {"accuracy": accuracy}, "per_class": [{}] * classes}
        result |= {"backbone": backbone, "own_data": {"path": "/x"} if own_data else None}
        return near_chance(result)

    assert note(21, 5).startswith(
        "Note: 21.0 % is near the 20.0 % of guessing one of 5 classes. Th"
    )
    assert "--backbone ViT-B/16" in note(21, 5)
    assert "python -m datasets.check /x --deep" in note(21, 5, "ViT-B/16")
    assert note(36, 5) and not note(36.1, 5)  # a fifth of the way
    assert note(2, 100) and not note(2.1, 100)  # twice
    assert note(60, 2) and not note(61, 2)
    assert not note(21, 5, own_data=False) and not note(100, 1)


def test_a_truncated_file_is_named_or_skipped(pictures, tiny_weights, tmp_path, capfd):
    for path in (pictures / "Äpfel").iterdir():
        if path.suffix == ".jpg":
            path.write_bytes(path.read_bytes()[:-200])
    broken = ["bild 0.jpg", "bild 6.jpg"]
    code, _ = run(pictures, tiny_weights, tmp_path / "a", "DATASET.NUM_SHOTS", "-1")
    error = capfd.readouterr().err
    assert code == 1 and "Cannot read image" in error and "truncated" in error
    assert "DATASET.FOLDER.SKIP_UNREADABLE True leaves such out" in error
    assert any(f"Äpfel/{name}" in error for name in broken)
    run(pictures, tiny_weights, tmp_path / "c")  # keeps picks that may name unreadable images
    capfd.readouterr()
    skip = ("DATASET.FOLDER.SKIP_UNREADABLE", "True")
    code, result = run(pictures, tiny_weights, tmp_path / "b", *skip)
    out = capfd.readouterr().out
    assert code == 0 and "skipping 2 of 36 images that cannot be read" in out
    assert all(f"Äpfel/{name}: image file is truncated" in out for name in broken)
    split = json.loads((pictures / "split_50_20_30.json").read_text())
    bad_tests = [e for e in split["test"] if e[0].split("/")[1] in broken and "Äpfel" in e[0]]
    assert sum(c["total"] for c in result["per_class"]) == 12 - len(bad_tests)


def test_names_of_another_encoding(pictures, tiny_weights, tmp_path, capfd):
    """As unpacking leaves them where the archive was made with another; 0xff is in no UTF-8."""
    folder = pictures / CLASSES[0]
    (folder / "bild 0.jpg").rename(os.fsdecode(bytes(folder) + b"/\xc4\xff.jpg"))
    Path(os.fsdecode(bytes(pictures) + b"/\xff.png")).write_bytes(b"")
    code, result = run(pictures, tiny_weights, tmp_path / "out")
    assert code == 0 and sum(c["total"] for c in result["per_class"]) == 12
    left = r"left out: images in no class folder: 1 (\xff.png)"
    assert left in (tmp_path / "out/log.txt").read_text() and left in capfd.readouterr().out
    folder.rename(os.fsdecode(bytes(pictures) + b"/K\xffhe"))
    with pytest.raises(ValueError, match=r"names are not UTF-8: 1 \(K\\xffhe\)\. Rename them"):
        ImageFolder(cfg_of(pictures))


def test_three_trees(pictures, tmp_path):
    tree = tmp_path / "tree"
    for name in CLASSES:
        for part, numbers in (("train", range(6)), ("test", range(6, 12))):
            (tree / part / name).mkdir(parents=True)
            for path in (pictures / name).iterdir():
                if int(path.stem.split()[1]) in numbers:
                    shutil.copy(path, tree / part / name)
    data = ImageFolder(cfg_of(tree))
    assert (len(data.train_x), len(data.val), len(data.test)) == (18, 0, 18)
    assert data.classnames == sorted(CLASSES)
    (tree / "test/other").mkdir()
    with pytest.raises(ValueError, match=r"that train/ does not have: 1 \('other'\)"):
        ImageFolder(cfg_of(tree))


def test_csv_and_json(pictures):
    lines = ["image,class,split"]
    for name in CLASSES:
        images = sorted(path.name for path in (pictures / name).iterdir())
        lines += [f"{name}/{image},{name.upper()},train" for image in images[:8]]
        lines += [f"{name}/{image},{name.upper()},test" for image in images[8:]]
    (pictures / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    data = ImageFolder(cfg_of(pictures, "DATASET.FOLDER.SPLIT", "list.csv"))
    assert data.classnames == sorted(name.upper() for name in CLASSES)
    assert (len(data.train_x), len(data.test)) == (24, 12)
    (pictures / "plain.csv").write_text("\n".join(x.rsplit(",", 1)[0] for x in lines))
    data = ImageFolder(cfg_of(pictures, "DATASET.FOLDER.SPLIT", "plain.csv"))
    assert (len(data.train_x), len(data.val), len(data.test)) == (18, 6, 12)
    (pictures / "bad.csv").write_text("file,label\na,b\n")
    with pytest.raises(ValueError, match=r"columns image and class .* got \['file', 'label'\]"):
        ImageFolder(cfg_of(pictures, "DATASET.FOLDER.SPLIT", "bad.csv"))
    ImageFolder(cfg_of(pictures))
    again = ImageFolder(cfg_of(pictures, "DATASET.FOLDER.SPLIT", "split_50_20_30.json"))
    assert len(again.train_x) == 18


def test_odd_folders_and_lists(pictures, tmp_path):
    (pictures / "Äpfel").rename(pictures / "train")  # a class, as there is no test/
    data = ImageFolder(cfg_of(pictures))
    assert "train" in data.classnames and len(data.classnames) == 3
    (pictures / "leer").mkdir()
    (pictures / "split_50_20_30.json").unlink()
    with pytest.raises(ValueError, match=r"classes without any image: 1 \('leer'\)"):
        ImageFolder(cfg_of(pictures))
    assert not (pictures / "split_50_20_30.json").exists()
    for text, message in (
        ("image,class\na.png\n", "line 2 lacks an image or a class"),
        ("image, class\na.png, x\na.png, y\n", "has a.png more than once"),
    ):
        (pictures / "list.CSV").write_text(text)
        with pytest.raises(ValueError, match=message):
            ImageFolder(cfg_of(pictures, "DATASET.FOLDER.SPLIT", "list.CSV"))


def test_class_names_from_a_file(pictures):
    names = {"Kühe im Stall": "cows in a stable", "Äpfel": "apples", "猫 und Hund": "cat and dog"}
    (pictures / "names.txt").write_text("".join(f"{k}\t{v}\n" for k, v in names.items()))
    data = ImageFolder(cfg_of(pictures, "DATASET.FOLDER.CLASSNAMES", "names.txt"))
    assert data.classnames == [names[name] for name in sorted(CLASSES)]
    (pictures / "names.txt").write_text("Äpfel\tapples\n")
    with pytest.raises(ValueError, match="has no line for 'Kühe im Stall'"):
        ImageFolder(cfg_of(pictures, "DATASET.FOLDER.CLASSNAMES", "names.txt"))


def test_changed_and_small_folders_are_refused(pictures, tmp_path):
    ImageFolder(cfg_of(pictures))
    shutil.copy(pictures / "Äpfel/bild 0.jpg", pictures / "Äpfel/bild 99.jpg")
    with pytest.raises(
        ValueError, match=r"its split, .*: 1 \(Äpfel/bild 99.jpg\) are new, none gone"
    ):
        ImageFolder(cfg_of(pictures))
    small = tmp_path / "small/x"
    small.mkdir(parents=True)
    shutil.copy(pictures / "Äpfel/bild 0.jpg", small)
    with pytest.raises(ValueError, match=r"without images to train on: 1 \('x'\)"):
        ImageFolder(cfg_of(tmp_path / "small"))
    assert not (tmp_path / "small/split_50_20_30.json").exists()
    with pytest.raises(FileNotFoundError, match="has no folders, one per class"):
        ImageFolder(cfg_of(small))
