"""What was tuned, in use: the same answers as the run's own test, and as plain CLIP's."""

import csv
import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open

import train
from dassl.data.transforms import build_transform
from dassl.utils import read_image
from promptkit.use import export, interpret, predict
from promptkit.use.tuned import open_run


@pytest.fixture
def finished(tiny_argv, tmp_path):
    """Trains a method and gives its run folder."""

    def build(trainer: str, *extra) -> Path:
        assert train.main(tiny_argv(trainer, *extra)) == 0
        return tmp_path / "run"

    return build


def images_of(tiny_root: str, classname: str) -> list[str]:
    return [f"{tiny_root}/tiny/images/{classname}_{number}.png" for number in range(12, 18)]


@pytest.mark.parametrize("method", ["CoOp", "CoCoOp", "MaPLe", "E2MIM"])
def test_predictions_are_those_of_the_runs_test(finished, tiny_root, tmp_path, method):
    folder = finished(method)
    result = json.loads((folder / "result.json").read_text())
    table = tmp_path / "out.csv"
    for entry in result["per_class"]:
        images = images_of(tiny_root, entry["name"])
        argv = ["--model-dir", str(folder), *images, "--top", "1", "--csv", str(table)]
        assert predict.main(argv) == 0
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["image"] for row in rows] == images
        assert sum(row["class"] == entry["name"] for row in rows) == entry["correct"]


def test_a_run_without_younger_keys_opens_with_their_defaults(finished, tiny_root):
    folder = finished("CoOp")
    result = json.loads((folder / "result.json").read_text())
    del result["config"]["INPUT"]["DRAFT"], result["config"]["TRAINER"]["COOP"]["CHUNK"]
    (folder / "result.json").write_text(json.dumps(result))
    trainer = open_run(folder)
    assert trainer.cfg.INPUT.DRAFT is False and trainer.options.chunk > 0
    here, gone = Path(images_of(tiny_root, "circle")[0]), Path("/nowhere.png")
    answers = list(predict.predict(trainer, [here, gone], top=1))
    assert "classes" in answers[0] and "/nowhere.png" in answers[1]["error"]


def test_an_evaluation_opens_what_it_evaluated(finished, tiny_argv, tmp_path):
    trained = finished("CoOp", "DATASET.SUBSAMPLE_CLASSES", "base")
    flags = ("--eval-only", "--model-dir", str(trained), "--load-epoch", "final")
    new = ("DATASET.SUBSAMPLE_CLASSES", "new")
    assert train.main(tiny_argv("CoOp", *new, output="new", flags=flags)) == 0
    first, second = open_run(trained), open_run(tmp_path / "new")
    assert torch.equal(first.learner.ctx, second.learner.ctx)
    assert not set(first.dm.dataset.classnames) & set(second.dm.dataset.classnames)


def test_other_classes_and_unreadable_images(finished, tiny_root, tmp_path, capsys):
    folder, pictures = finished("CoOp"), tmp_path / "pictures"
    (pictures / "more").mkdir(parents=True)
    Image.open(images_of(tiny_root, "circle")[0]).save(pictures / "more/a.png")
    (pictures / "broken.png").write_text("no image")
    argv = ["--model-dir", str(folder), str(pictures), "--classes", "a dog, a cat,"]
    assert predict.main([*argv, "--json", str(tmp_path / "out.json")]) == 1
    assert "broken.png" in capsys.readouterr().err
    broken, whole = json.loads((tmp_path / "out.json").read_text())["images"]
    assert "it is a text file" in broken["error"]
    assert {entry["class"] for entry in whole["classes"]} == {"a dog", "a cat"}
    assert sum(entry["probability"] for entry in whole["classes"]) == pytest.approx(1)


def test_nothing_that_is_read_is_written_over(finished, tiny_root, tmp_path, capsys):
    folder, image = finished("CoOp"), tmp_path / "a.png"
    Image.open(images_of(tiny_root, "circle")[0]).save(image)
    argv = ["--model-dir", str(folder), str(image)]
    result, names = str(folder / "result.json"), str(tmp_path / "names.txt")
    Path(names).write_text("a dog\na cat\n")
    for more, message in (
        (["--csv", str(image)], "--csv must be a new file; "),
        (["--json", result], "is a file of the run"),
        (["--csv", f"{folder}/prompt_learner/model.pth.tar-2"], "is a file of the run"),
        (["--classes", names, "--csv", names], "is one that is read"),
        (["--csv", f"{tmp_path}/same", "--json", f"{tmp_path}/./same"], "must be two files"),
    ):
        assert predict.main([*argv, *more]) == 1
        assert message in capsys.readouterr().err
    assert export.main([str(folder), result]) == 1
    assert "is there and is no safetensors file" in capsys.readouterr().err
    assert json.loads((folder / "result.json").read_text())["trainer"] == "CoOp"
    with Image.open(image) as picture:
        assert picture.size
    assert not (tmp_path / "same").exists()
    assert Path(names).read_text() == "a dog\na cat\n"
    for _ in range(2):  # predictions may be made again, in the run's folder too, and an export
        assert predict.main([*argv, "--csv", f"{folder}/predictions.csv"]) == 0
        assert export.main([str(folder), f"{tmp_path}/a.safetensors"]) == 0


def test_images_that_are_none(finished, tiny_root, tmp_path, capsys):
    folder, pictures = finished("CoOp"), tmp_path / "pictures"
    (pictures / ".cache").mkdir(parents=True)
    Image.open(images_of(tiny_root, "circle")[0]).save(pictures / ".cache/hidden.png")
    argv = ["--model-dir", str(folder)]
    for path, message in (
        (str(pictures), f"There is no image in the folder {pictures}"),
        ("https://example.com/a.png", "no image or folder at https://example.com/a.png. An addr"),
    ):
        assert predict.main([*argv, path]) == 1
        assert message in capsys.readouterr().err
    os.mkfifo(pictures / "pipe.png")
    assert predict.main([*argv, str(pictures / "pipe.png")]) == 1
    assert "is no file, but a pipe" in capsys.readouterr().err
    odd = pictures / "b\udcff.png"
    Image.open(images_of(tiny_root, "circle")[0]).save(odd)
    table = tmp_path / "out.csv"
    assert predict.main([*argv, str(pictures), "--csv", str(table), "--top", "1"]) == 0
    printed = capsys.readouterr()
    assert "1 that are no files" in printed.err and "b\\udcff.png" in printed.out
    assert os.fsencode(odd) in table.read_bytes()


def test_a_context_of_each_class_fits_no_others(finished, capsys):
    folder = finished("CoOp", "TRAINER.COOP.CSC", True)
    assert predict.main(["--model-dir", str(folder), str(folder), "--classes", "x,y"]) == 1
    assert "belongs to its classes" in capsys.readouterr().err


def test_the_exported_classifier_is_all_that_plain_clip_needs(
    finished, tiny_root, tiny_clip, tmp_path
):
    folder, path = finished("E2MIM"), tmp_path / "classifier.safetensors"
    assert export.main([str(folder), str(path)]) == 0
    with safe_open(path, "pt") as file:
        weights, about = file.get_tensor("text_features"), file.metadata()
    trainer = open_run(folder)
    image = read_image(images_of(tiny_root, "circle")[0])
    pixels = build_transform(trainer.cfg, is_train=False)(image)[None]
    features = tiny_clip.encode_image(pixels)
    features = features / features.norm(dim=1, keepdim=True)
    logits = float(about["logit_scale"]) * features @ weights.T
    torch.testing.assert_close(logits, trainer.model_inference(pixels), rtol=1e-4, atol=1e-4)
    assert json.loads(about["classnames"]) == trainer.dm.dataset.classnames
    assert about["weights_sha256"] == trainer.weights_sha256
    assert about["activation"] == "quick_gelu"


@pytest.mark.parametrize("method", ["CoCoOp", "MaPLe"])
def test_what_plain_clip_cannot_apply_is_not_exported(finished, tmp_path, capsys, method):
    assert export.main([str(finished(method)), str(tmp_path / "no.safetensors")]) == 1
    assert "Use python -m promptkit.predict" in capsys.readouterr().err
    assert not list(tmp_path.glob("*no.safetensors*"))


def test_words_that_a_context_starts_from_are_its_nearest(tiny_clip):
    vocabulary = tiny_clip.token_embedding.weight
    near, decode = vocabulary[[320, 1125]] + 1e-4, tiny_clip.tokenizer.decode
    found = interpret.nearest_words(near, vocabulary, decode, top=2)
    assert [nearest[0][0] for nearest in found] == ["a", "photo"]
    assert found[0][0][1] == pytest.approx(1e-4 * 64**0.5, rel=0.2)
    assert found[0][0][1] < found[0][1][1]


def test_a_folder_without_a_result_is_named(tmp_path, capsys):
    assert interpret.main([str(tmp_path)]) == 1
    assert f"{tmp_path} holds no finished run" in capsys.readouterr().err


def test_a_context_that_is_not_shared_has_no_words(tiny_argv, tmp_path, capsys):
    for method, flags, *options in (
        ("CoOp", (), "TRAINER.COOP.CSC", True), ("ZeroshotCLIP", ("--eval-only",)),
    ):  # fmt: skip
        assert train.main(tiny_argv(method, *options, output=method, flags=flags)) == 0
        assert interpret.main([str(tmp_path / method)]) == 1
        assert f"{method} has no context that all classes share" in capsys.readouterr().err


def test_a_run_with_a_module_that_is_gone_names_it(finished, capsys):
    folder = finished("CoOp")
    result = json.loads((folder / "result.json").read_text())
    result["inputs"]["argv"] = ["--import", "was_here", *result["inputs"]["argv"]]
    result["inputs"]["files"]["elsewhere/was_here.py"] = "0" * 64
    (folder / "result.json").write_text(json.dumps(result))
    with pytest.raises(ValueError, match=r"is a run with --import was_here .then .*was_here\.py"):
        open_run(folder)


def test_a_run_opens_without_its_data(finished, tmp_path):
    folder = finished("CoOp")
    opened = open_run(folder, pairs=("DATASET.ROOT", str(tmp_path / "gone")))
    assert opened.dm.test_loader is None


def test_a_damaged_result_is_named_with_its_field(finished, capsys):
    path = finished("CoOp") / "result.json"
    whole = json.loads(path.read_text())
    for content, fault in (
        ({"schema": 1}, "trainer is missing"),
        ([1], "must hold a JSON object; got list"),
        (whole | {"config": 5}, "config must be an object; got 5"),
        (whole | {"config": {}}, "config is missing"),
        (whole | {"per_class": [], "confused": None}, "per_class is missing"),
    ):
        path.write_text(json.dumps(content))
        assert interpret.main([str(path.parent)]) == 1
        said = f"error: {path} is no result that a run can be opened by: {fault}. Carry out the run"
        assert said in capsys.readouterr().err
