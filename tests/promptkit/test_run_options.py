"""Checkpoints without a result.json, and runs with modules of a user's, opened for use."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import train
import trainers  # noqa: F401  (registers them, before a test copies the registry)
from dassl.engine import TRAINER_REGISTRY
from promptkit.use import export, interpret, predict
from tests.conftest import TINY_CLASSES


@pytest.fixture
def picture(tiny_root) -> str:
    return f"{tiny_root}/tiny/images/circle_12.png"


@pytest.fixture
def authors(tiny_trainer, tiny_weights, tmp_path):
    """A folder as authors give it out, the options that open it, and the trainer it came from."""

    def build(method: str, *extra):
        trainer = tiny_trainer(method, *extra)
        trainer.train()
        source = Path(trainer.output_dir) / trainer.learner_name
        folder = tmp_path / "weights" / trainer.learner_name
        folder.mkdir(parents=True)
        state = torch.load(source / "model.pth.tar-2")["state_dict"]
        state["token_prefix"] = torch.zeros(6, 1, 64)
        torch.save({"state_dict": state, "epoch": 50}, folder / "model.pth.tar-50")
        torch.save({"state_dict": {"ctx": torch.zeros(16, 64)}}, folder / "model.pth.tar-5")
        node = trainer.cfg.TRAINER[method.upper()]
        recipe = tmp_path / "recipe.yaml"
        depth = f"    PROMPT_DEPTH: {node.PROMPT_DEPTH}\n" if "PROMPT_DEPTH" in node else ""
        recipe.write_text(
            f"INPUT:\n  SIZE: (32, 32)\n  TRANSFORMS: [normalize]\n  INTERPOLATION: bilinear\n"
            "  PIXEL_MEAN: [0.485, 0.456, 0.406]\n  PIXEL_STD: [0.229, 0.224, 0.225]\n"
            f"TRAINER:\n  {method.upper()}:\n    N_CTX: {node.N_CTX}\n{depth}"
            f"MODEL:\n  BACKBONE:\n    NAME: {tiny_weights}\n"
        )
        options = ["--trainer", method, "--config-file", str(recipe)]
        return trainer, tmp_path / "weights", options

    return build


def predicted(capsys, argv: list[str], tmp_path) -> dict[str, float]:
    assert predict.main([*argv, "--json", str(tmp_path / "out.json"), "--top", "6"]) == 0
    (image,) = json.loads((tmp_path / "out.json").read_text())["images"]
    return {entry["class"]: entry["probability"] for entry in image["classes"]}


@pytest.mark.parametrize("method", ["CoOp", "MaPLe"])
def test_an_authors_checkpoint_predicts_without_its_data_set(
    authors, picture, tmp_path, capsys, method
):
    trainer, folder, options = authors(method)
    (tmp_path / "names.txt").write_text("\n".join(TINY_CLASSES))
    argv = ["--model-dir", str(folder), *options, "--classes", str(tmp_path / "names.txt"), picture]
    found = predicted(capsys, argv, tmp_path)
    assert "Taking the last epoch" in capsys.readouterr().err  # 50, not 5
    images = trainer.dm.dataset.test
    index = next(i for i, item in enumerate(images) if item.impath == picture)
    pixels = trainer.test_loader.dataset[index]["img"][None]
    expected = trainer.model_inference(pixels).softmax(dim=1)[0].tolist()
    assert list(found) != list(TINY_CLASSES)
    for name, probability in zip(TINY_CLASSES, expected, strict=True):
        assert found[name] == pytest.approx(probability, abs=1e-6)


def test_interpret_and_export_open_it_as_well(authors, tmp_path, capsys):
    trainer, folder, options = authors("CoOp")
    capsys.readouterr()
    assert interpret.main([str(folder), *options]) == 0
    assert capsys.readouterr().out.count("\n") == 2 + 16
    path = tmp_path / "classifier.safetensors"
    names = ["--classes", ",".join(TINY_CLASSES)]
    assert export.main([str(folder), str(path), *options, *names, "--load-epoch", "50"]) == 0
    with safe_open(path, "pt") as file:
        weights = file.get_tensor("text_features")
    torch.testing.assert_close(weights, trainer.class_features(), rtol=1e-5, atol=1e-6)


def test_settings_count_and_what_is_missing_is_said(authors, picture, tmp_path, capsys):
    _, folder, options = authors("CoOp", "TRAINER.COOP.N_CTX", 4)
    argv = ["--model-dir", str(folder), picture]

    def fail(*more: str) -> str:
        assert predict.main([*argv, *more]) == 1
        return capsys.readouterr().err

    names = ["--classes", "a,b"]
    assert "opens with the settings of its training: --trainer, --config-file" in fail(*names)
    assert "does not say its class names: give --classes" in fail(*options)
    wrong = ["--set", "TRAINER.COOP.N_CTX", "8"]
    assert "'ctx' has shape (4, 64), expected (8, 64)" in fail(*options, *names, *wrong)
    assert "Did you mean" in fail("--trainer", "Coob", *options[2:], *names)
    inside = ["--model-dir", str(folder / "prompt_learner")]
    assert f"Give {folder}, which holds prompt_learner/" in fail(*options, *names, *inside)
    assert "Settings are given with --set KEY VALUE" in fail(*options, *names, "TRAINER.COOP.CSC")
    assert predict.main([*argv, *options, *names]) == 0


def test_a_finished_run_says_itself_how_it_was_trained(tiny_argv, picture, tmp_path, capsys):
    assert train.main(tiny_argv("CoOp", "TRAIN.CHECKPOINT_FREQ", 1)) == 0
    argv = ["--model-dir", str(tmp_path / "run"), picture]
    assert predict.main([*argv, "--trainer", "CoOp"]) == 1
    assert "leave out --trainer" in capsys.readouterr().err
    last, first = (
        predicted(capsys, [*argv, "--load-epoch", epoch], tmp_path) for epoch in ("final", "1")
    )
    assert last != first and last == predicted(capsys, [*argv, "--load-epoch", "2"], tmp_path)
    slow = predicted(capsys, [*argv, "--set", "TRAINER.COOP.TEXT_ENCODER", "reference"], tmp_path)
    assert slow == pytest.approx(last, abs=1e-5)


def test_the_sentence_without_a_data_set_is_said_where_it_counts(picture, tiny_weights, capsys):
    argv = [
        "--model-dir", "none", picture, "--trainer", "ZeroshotCLIP", "--backbone", tiny_weights,
        "--set", "INPUT.SIZE", "(32, 32)", "--classes", "circle,star",
    ]  # fmt: skip
    assert predict.main(argv) == 0
    assert "the sentence around a class name is 'a photo of a {}.'" in capsys.readouterr().err
    assert predict.main([*argv, "--set", "DATASET.TEMPLATE", "a drawing of a {}."]) == 0
    assert "the sentence around" not in capsys.readouterr().err


def test_a_run_with_a_module_of_the_users(tiny_argv, picture, tmp_path, capsys, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/own_method.py").write_text(
        "from dassl.engine import TRAINER_REGISTRY\n"
        "from trainers.coop import CoOp\n\n"
        "@TRAINER_REGISTRY.register()\n"
        "class OwnMethod(CoOp):\n"
        "    pass\n"
    )
    monkeypatch.setattr(TRAINER_REGISTRY, "_objects", dict(TRAINER_REGISTRY._objects))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "mine")])
    assert train.main(tiny_argv("OwnMethod", flags=("--import", "own_method"))) == 0
    argv = ["--model-dir", str(tmp_path / "run"), picture]
    assert predict.main(argv) == 0

    del sys.modules["own_method"], TRAINER_REGISTRY._objects["OwnMethod"]  # another process
    assert predict.main(argv) == 0
    del sys.modules["own_method"], TRAINER_REGISTRY._objects["OwnMethod"]
    sys.path.remove(str(tmp_path / "mine"))
    capsys.readouterr()
    assert predict.main(argv) == 1
    message = capsys.readouterr().err
    assert f"run with --import own_method (then {tmp_path}/mine/own_method.py)" in message
    assert "PYTHONPATH adds more" in message
