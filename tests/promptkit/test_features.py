"""Features for plots: those that the run's own test classifies by."""

import json

import pytest
import torch
from safetensors import safe_open

import train
from promptkit.use import features
from promptkit.use.tuned import open_run


def written(path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


@pytest.mark.parametrize("method", ["CoOp", "MaPLe", "ZeroshotCLIP"])
def test_the_features_classify_as_the_runs_test_did(tiny_argv, tmp_path, capsys, method):
    flags = ("--eval-only",) if method == "ZeroshotCLIP" else ()
    assert train.main(tiny_argv(method, flags=flags)) == 0
    result = json.loads((tmp_path / "run/result.json").read_text())
    capsys.readouterr()
    assert features.main([str(tmp_path / "run"), str(tmp_path / "out.safetensors")]) == 0
    accuracy = result["metrics"]["accuracy"]
    assert f"36 images of test, 6 classes; accuracy {accuracy:.2f} %" in capsys.readouterr().out
    tensors, about = written(tmp_path / "out.safetensors")
    names, paths = json.loads(about["classnames"]), json.loads(about["paths"])
    assert names == [entry["name"] for entry in result["per_class"]]
    assert [path.split("/")[-1].rsplit("_", 1)[0] for path in paths] == [
        names[label] for label in tensors["labels"]
    ]
    for name, count in (("image_features", 36), ("text_features", 6)):
        assert tensors[name].shape == (count, 32)
        torch.testing.assert_close(tensors[name].norm(dim=1), torch.ones(count))
    predicted = (tensors["image_features"] @ tensors["text_features"].T).argmax(dim=1)
    hits = [int(((predicted == label) & (tensors["labels"] == label)).sum()) for label in range(6)]
    assert hits == [entry["correct"] for entry in result["per_class"]]


def test_prompted_images_have_the_prompted_features(tiny_argv, tmp_path):
    assert train.main(tiny_argv("MaPLe", "OPTIM.LR", 0.5)) == 0
    assert features.main([str(tmp_path / "run"), str(tmp_path / "out.safetensors")]) == 0
    trainer = open_run(tmp_path / "run", with_data=True)
    images = next(iter(trainer.dm.test_loader))["img"]
    found = written(tmp_path / "out.safetensors")[0]["image_features"][: len(images)]
    with torch.no_grad():
        torch.testing.assert_close(found, trainer.image_features(images))
        plain = trainer.clip_model.encode_image(images)
    assert not torch.allclose(found, plain / plain.norm(dim=1, keepdim=True), atol=1e-3)


def test_where_text_changes_with_the_image_it_is_left_out_and_said(tiny_argv, tmp_path, capsys):
    assert train.main(tiny_argv("CoCoOp")) == 0
    assert features.main([str(tmp_path / "run"), str(tmp_path / "out.safetensors")]) == 0
    assert "CoCoOp does not have one text feature a class" in capsys.readouterr().out
    assert set(written(tmp_path / "out.safetensors")[0]) == {"image_features", "labels"}


def test_training_images_are_those_of_the_run_or_refused(tiny_argv, tiny_root, tmp_path, capsys):
    assert train.main(tiny_argv("CoOp")) == 0
    argv = [str(tmp_path / "run"), str(tmp_path / "out.safetensors"), "--split", "train"]
    assert features.main([*argv, "--root", tiny_root]) == 0
    tensors, about = written(tmp_path / "out.safetensors")
    assert tensors["labels"].bincount().tolist() == [4] * 6 and about["split"] == "train"
    (tmp_path / "out.safetensors").unlink()
    assert features.main([*argv, "--set", "SEED", "2"]) == 1
    assert "are not those of" in capsys.readouterr().err
    assert features.main([*argv, "--root", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err and not (tmp_path / "out.safetensors").exists()
