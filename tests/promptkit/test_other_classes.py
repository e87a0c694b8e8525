"""A test of base or new classes also has the logits of the others: those of a test of all."""

import numpy as np
import pytest
import torch

import train
from promptkit.encoders import image_encoder
from run_files.logits import from_bytes
from tests.conftest import TINY_CLASSES


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
