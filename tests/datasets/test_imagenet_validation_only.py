"""ImageNet where there are its validation images alone: evaluated as elsewhere, not trained on."""

import json
import shutil

import pytest
from PIL import Image

import train

WORDNET = {"n01440764": "tench", "n01443537": "goldfish", "n01484850": "great white shark"}


@pytest.fixture
def imagenet(tmp_path):
    """DATASET.ROOT with three classes: 2 training and 3 validation images each, and their names."""
    folder = tmp_path / "data/imagenet"
    for part, count in (("train", 2), ("val", 3)):
        for label, wordnet_id in enumerate(WORDNET):
            (folder / "images" / part / wordnet_id).mkdir(parents=True)
            for number in range(count):
                image = Image.new("RGB", (32, 32), (120 * label, 80 * number, 60))
                image.save(folder / "images" / part / wordnet_id / f"{part}_{number}.JPEG")
    lines = [f"{wordnet_id} {name}\n" for wordnet_id, name in WORDNET.items()]
    (folder / "classnames.txt").write_text("".join(lines))
    return tmp_path / "data"


@pytest.fixture
def run(imagenet, tiny_argv, tmp_path):
    """Runs train.py on it; gives the exit code and the result."""

    def build(trainer, *extra, output, flags=()):
        flags = ("--root", str(imagenet), *flags)
        options = ("DATASET.NAME", "ImageNet", "DATASET.NUM_SHOTS", "1", *extra)
        code = train.main(tiny_argv(trainer, *options, output=output, flags=flags))
        path = tmp_path / output / "result.json"
        return code, json.loads(path.read_text()) if path.exists() else {}

    return build


def what_was_found(result):
    return result["metrics"], result["per_class"], result["confused"]


def test_results_are_those_beside_the_training_images(run, imagenet, tmp_path):
    few = ("OPTIM.MAX_EPOCH", "1")
    assert run("CoOp", *few, output="trained")[0] == 0
    tuned = ("--eval-only", "--model-dir", str(tmp_path / "trained"), "--load-epoch", "final")
    cases = [
        ("ZeroshotCLIP", ("--eval-only",), ()),
        ("ZeroshotCLIP", ("--eval-only",), ("DATASET.SUBSAMPLE_CLASSES", "new")),
        ("CoOp", tuned, few),
    ]
    expected = [
        run(trainer, *extra, output=f"all{number}", flags=flags)
        for number, (trainer, flags, extra) in enumerate(cases)
    ]
    for path in ("images/train", "split_fewshot"):
        shutil.rmtree(imagenet / "imagenet" / path)
    for number, (trainer, flags, extra) in enumerate(cases):
        code, result = run(trainer, *extra, output=f"val{number}", flags=flags)
        assert code == expected[number][0] == 0
        assert what_was_found(result) == what_was_found(expected[number][1])
    assert [(c["name"], c["total"]) for c in expected[0][1]["per_class"]] == [
        (name, 3) for name in WORDNET.values()
    ]
    assert not (imagenet / "imagenet/split_fewshot").exists()  # nothing there to pick from


def test_training_is_refused(run, imagenet, capfd):
    shutil.rmtree(imagenet / "imagenet/images/train")
    code, result = run("CoOp", output="run")
    error = capfd.readouterr().err
    assert (code, result) == (1, {})
    assert f"ImageNet cannot be trained on: there are no images in {imagenet}" in error
    assert "imagenet/images/train. Unpack" in error and "--eval-only" in error


def test_an_incomplete_val_is_refused(run, imagenet, capfd):
    """Labels count what is there: without one class, those behind it would be other classes'."""
    shutil.rmtree(imagenet / "imagenet/images/train")
    shutil.rmtree(imagenet / "imagenet/images/val/n01443537")
    assert run("ZeroshotCLIP", output="run", flags=("--eval-only",))[0] == 1
    assert "val has images of 2 of the 3 classes in classnames.txt" in capfd.readouterr().err


def test_a_variant_is_for_evaluation(run, imagenet, capfd):
    (imagenet / "imagenet").rename(imagenet / "imagenet-sketch")
    shutil.move(imagenet / "imagenet-sketch/images", imagenet / "imagenet-sketch/all")
    shutil.move(imagenet / "imagenet-sketch/all/val", imagenet / "imagenet-sketch/images")
    sketch = ("DATASET.NAME", "ImageNetSketch")
    assert run("CoOp", *sketch, output="run")[0] == 1
    assert "ImageNetSketch cannot be trained on: it is a test set of" in capfd.readouterr().err
    assert run("ZeroshotCLIP", *sketch, output="zero", flags=("--eval-only",))[0] == 0
