"""The training of the pocket weights: resumable, seeded, blind for held-out triples."""

import json

import clip
import numpy as np
import pytest
import torch

from pocket import pretrain, stage_images, stage_words
from pocket.scenes import draw_scenes
from pocket.stage_images import draw_batch, held_out
from pocket.towers import encode_text, new_model, preprocess
from pocket.world import IMAGE_SIZE, render, render_with_masks
from woven import training
from woven.shipped import save_weights
from woven.towers import tower_tokens

TINY = (
    "--image-steps=4 --image-batch=8 --scenes=8 --word-steps=4 --word-batch=4 --device=cpu"
).split()


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 1)
    monkeypatch.setattr(stage_images, "EVALUATION_BATCHES", 1)
    monkeypatch.setattr(stage_words, "FEATURE_BATCH", 8)
    monkeypatch.setattr(training.Log.__init__, "__defaults__", (1,))


def run(folder, *extra) -> dict[str, torch.Tensor]:
    out = folder / "weights.pt"
    pretrain.main([*TINY, f"--work={folder}", f"--out={out}", *extra])
    return torch.load(out, weights_only=True)


@pytest.mark.large  # the woven makers are killed in the default suite
def test_a_run_killed_in_either_stage_ends_with_the_same_weights(tmp_path, monkeypatch):
    whole = run(tmp_path / "whole")
    for stage, module in (("images", stage_images), ("words", stage_words)):
        folder = tmp_path / stage
        original, calls = module.learning_rate, []

        def stop_in_the_middle(*args, original=original, calls=calls):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return original(*args)

        with monkeypatch.context() as patch:
            patch.setattr(module, "learning_rate", stop_in_the_middle)
            with pytest.raises(KeyboardInterrupt):
                run(folder)
        again = run(folder)
        assert all(torch.equal(again[name], value) for name, value in whole.items())
        record = json.loads((folder / "weights.json").read_text())
        assert [line["step"] for line in record[stage]] == [1, 2, 3, 4]
    assert record["arguments"]["word_steps"] == 4 and record["rates"]["wrong"] == 0.05


def test_a_resume_point_of_other_figures_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match="belongs to a training with .*'image_lr': 0.001"):
        run(tmp_path, "--image-lr=0.1")


def test_held_out_triples_are_a_fifth_and_never_drawn_for_training():
    grid = np.indices((12, 10, 6)).reshape(3, -1)
    rng = np.random.default_rng(0)
    scenes = draw_scenes(720, rng, shape=grid[0], color=grid[1], texture=grid[2])
    assert held_out(scenes).sum() == 144
    for step in range(5):
        assert not held_out(draw_batch(1, step, 64)[1]).any()
        assert held_out(draw_batch(1, step, 64, unseen=True)[1]).all()


def test_patch_masks_are_the_masks_of_their_patches():
    _, scenes, patches = draw_batch(1, 0, 16)
    again = draw_batch(1, 0, 16)
    assert torch.equal(again[2], patches) and np.array_equal(again[1].shape, scenes.shape)
    assert patches.shape == (16, 36, 2 * 64)
    rng = np.random.default_rng(0)
    scenes = draw_scenes(1, rng, mark=0)
    masks = render_with_masks(scenes, rng)[1]
    assert masks[0, 1].sum() > 0 and masks[0, 0].sum() > masks[0, 1].sum()


@pytest.mark.filterwarnings("ignore::FutureWarning:torch.jit")  # how clip tells formats apart
def test_the_towers_are_clips_own(tmp_path):
    model = new_model().eval()
    images = preprocess(render(draw_scenes(3, np.random.default_rng(0)), np.random.default_rng(1)))
    tokens = clip.tokenize(["a photo of a red circle.", "next to a blue star", "a"])
    with torch.no_grad():
        features = tower_tokens(model.visual, images)[:, 0] @ model.visual.proj
        torch.testing.assert_close(features, model.encode_image(images), rtol=1e-4, atol=1e-5)
        expected = model.encode_text(tokens)
        for block in model.transformer.resblocks:
            block.attn_mask = block.attn_mask[:20, :20]
        torch.testing.assert_close(encode_text(model, tokens), expected, rtol=1e-4, atol=1e-5)
    save_weights(model, tmp_path / "w.pt")
    loaded, _ = clip.load(str(tmp_path / "w.pt"), device="cpu", jit=False)
    assert loaded.visual.input_resolution == IMAGE_SIZE
    assert (tmp_path / "w.pt").stat().st_size <= 20_000_000


def test_the_rate_warms_up_falls_to_nothing_and_does_so_twice_with_a_restart():
    rates = [training.learning_rate(step, 600, 1.0, restart=400) for step in range(600)]
    assert rates[0] == pytest.approx(1 / 20) and rates[19] == rates[20] == 1
    assert rates[210] == pytest.approx(0.5) and rates[399] < 1e-4  # half-way of the cosine
    assert rates[400] == pytest.approx(0.5 / 10) and max(rates[400:]) == 0.5
    assert rates[599] < 1e-4
    assert rates[:400] == [training.learning_rate(step, 400, 1.0) for step in range(400)]
