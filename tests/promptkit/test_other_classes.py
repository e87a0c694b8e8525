"""A test of base or new classes also has the logits of the others: those of a test of all."""

import numpy as np
import pytest
import torch

import train
from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils import read_json
from promptkit.encoders import image_encoder
from run_files.logits import from_bytes
from tests.conftest import TINY_CLASSES, TinyShapes
from trainers.coop import CoOp


@DATASET_REGISTRY.register()
class TinyTools(TinyShapes):
    """The same images by other names, in another sentence."""

    template = "a blurry sketch of the {} there."
    picks_suffix = "-tools"

    def read(self, cfg):
        splits = super().read(cfg)
        for item in (item for items in splits for item in items):
            item._classname = f"{item.classname} tool"
        return splits


def kept(folder):
    return from_bytes((folder / "logits.npz").read_bytes())


@pytest.mark.parametrize("name", ["CoOp", "CoCoOp", "TCP", "MaPLe", "CLIPAdapter", "ZeroshotCLIP"])
def test_they_are_those_of_a_test_of_all_classes(tiny_argv, tmp_path, name):
    evaluation = () if name == "ZeroshotCLIP" else ("--model-dir", str(tmp_path / "base"))
    for subset in ("base", "new", "all"):
        trains = subset == "base" and evaluation
        flags = (
            ()
            if trains
            else ("--eval-only", *evaluation, *["--load-epoch", "2"][: len(evaluation)])
        )
        argv = tiny_argv(name, "DATASET.SUBSAMPLE_CLASSES", subset, output=subset, flags=flags)
        assert train.main(argv) == 0
    base, new, every = (kept(tmp_path / subset) for subset in ("base", "new", "all"))
    assert base.classnames == new.other_classnames and new.classnames == base.other_classnames
    assert every.other_classnames == () and every.classnames == base.classnames + new.classnames
    together = np.concatenate([base.joint, np.roll(new.joint, len(base.classnames), axis=1)])
    images = {path: row for row, path in enumerate(every.images)}
    rows = [images[path] for path in base.images + new.images]
    np.testing.assert_allclose(together, every.logits[rows], rtol=0, atol=0.05)


def test_images_are_encoded_once(tiny_argv, monkeypatch):
    passes = []
    plain = image_encoder.image_states

    def counted(model, images, prompts=None):
        passes.append(torch.is_grad_enabled())
        return plain(model, images, prompts)

    monkeypatch.setattr(image_encoder, "image_states", counted)
    numbers = []
    for keep in (False, True):
        passes.clear()
        argv = tiny_argv("VPT", "DATASET.SUBSAMPLE_CLASSES", "base", "TEST.KEEP_LOGITS", keep,
                         output=str(keep))  # fmt: skip
        assert train.main(argv) == 0
        numbers.append(passes.count(False))
    # The test's one batch; and with logits that of the validation, which fits a temperature.
    assert numbers == [1, 2]


@pytest.mark.parametrize(
    "extra", [("TRAINER.COOP.CSC", True), ("DATASET.SUBSAMPLE_CLASSES", "all")]
)
def test_there_are_none_where_weights_are_of_classes_or_no_class_is_left_out(
    tiny_argv, tmp_path, extra
):
    subset = ("DATASET.SUBSAMPLE_CLASSES", "base")
    assert train.main(tiny_argv("CoOp", *subset, *extra)) == 0
    found = kept(tmp_path / "run")
    assert found.other_classnames == () and found.joint is found.logits
    assert len(found.classnames) == (3 if extra[0].endswith("CSC") else len(TINY_CLASSES))


@pytest.mark.parametrize("name", ["CLIPAdapter", "CoOp"])
def test_of_another_data_set_they_are_those_of_the_trainings_own_test(tiny_argv, tmp_path, name):
    """With the sentence of the training's data set, not that of the one that is tested."""
    assert train.main(tiny_argv(name, output="own")) == 0
    flags = ("--eval-only", "--model-dir", str(tmp_path / "own"), "--load-epoch", "2")
    other = tiny_argv(name, "DATASET.NAME", "TinyTools", output="other", flags=flags)
    assert train.main(other) == 0
    own, foreign = kept(tmp_path / "own"), kept(tmp_path / "other")
    assert foreign.other_classnames == own.classnames and own.images == foreign.images
    np.testing.assert_allclose(foreign.others, own.logits, rtol=0, atol=0.05)
    assert not np.allclose(foreign.logits, own.logits, atol=0.05)


def test_renderings_of_the_trainings_classes_have_none(tiny_argv, tmp_path):
    """All of the training's classes, or some of them: no image is foreign."""
    assert train.main(tiny_argv("CoOp", output="own")) == 0
    flags = ("--eval-only", "--model-dir", str(tmp_path / "own"), "--load-epoch", "2")
    assert (
        train.main(tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "all", output="x", flags=flags))
        == 0
    )
    assert kept(tmp_path / "x").other_classnames == ()


@pytest.mark.parametrize(
    "name", ["CLIPLoRA", "E2MIM", "GDA", "ProLIP", "PromptSRC", "SkipTuning", "TwoSFS"]
)
def test_a_loaded_model_gives_what_the_trained_one_gave(tiny_argv, tmp_path, name):
    subset = ("DATASET.SUBSAMPLE_CLASSES", "base")
    assert train.main(tiny_argv(name, *subset, output="base")) == 0
    last = max((tmp_path / "base").glob("*/model.pth.tar-*")).suffix.rpartition("-")[2]
    flags = ("--eval-only", "--model-dir", str(tmp_path / "base"), "--load-epoch", last)
    assert train.main(tiny_argv(name, *subset, output="again", flags=flags)) == 0
    trained, loaded = kept(tmp_path / "base"), kept(tmp_path / "again")
    assert len(trained.other_classnames) == 3 and trained.others.any()
    np.testing.assert_allclose(loaded.others, trained.others, rtol=1e-3, atol=0.02)
    new = tiny_argv(name, "DATASET.SUBSAMPLE_CLASSES", "new", output="new", flags=flags)
    assert train.main(new) == 0
    assert kept(tmp_path / "new").other_classnames == trained.classnames


def test_of_a_method_with_a_task_oracle_one_rule_is_kept_beside(tiny_argv, tmp_path, monkeypatch):
    """Base classes here have another temperature, which the rule for all classes has not."""
    monkeypatch.setattr(CoOp, "uses_task_oracle", True)
    monkeypatch.setattr(CoOp, "joint_inference", CoOp.model_inference)
    plain = CoOp.model_inference
    monkeypatch.setattr(CoOp, "model_inference", lambda self, images: 2 * plain(self, images))
    assert train.main(tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "base")) == 0
    logits = kept(tmp_path / "run")
    np.testing.assert_allclose(logits.logits, 2 * logits.one_rule, rtol=0, atol=0.05)
    np.testing.assert_array_equal(logits.joint[:, :3], logits.one_rule)
    assert read_json(tmp_path / "run/result.json")["uses_task_oracle"]
    assert train.main(tiny_argv("CoOp", output="all")) == 0
    every = kept(tmp_path / "all")
    assert every.other_classnames == () and every.one_rule.shape == every.logits.shape
