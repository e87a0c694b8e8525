"""The card, the shipped world's files, and what cards are made with."""

import json
import sys

import numpy as np
import pytest
import torch

from woven import card, cards, world
from woven.codes import Lengths
from woven.datasets import RENDERINGS, SETS

RECORD = json.loads(world.CALIBRATION.read_text())


def test_the_card_holds_what_the_records_say():
    text = card.CARD.read_text().partition(card.MARKS[0])[2].partition(card.MARKS[1])[0]
    training = json.loads(card.WEIGHTS.with_suffix(".json").read_text())
    for part in (card.towers(training, RECORD), card.sets(RECORD), card.renderings(RECORD)):
        assert " ".join(part.split()) in " ".join(text.split())
    assert f"b / a = {RECORD['ratio']}" in text
    card_rows = [line for line in text.splitlines() if line.startswith("| OxfordFlowers ")]
    assert len(card_rows) == 1 and "72.0 (72.1)" in card_rows[0]


def test_a_ratio_that_was_given_is_said_to_be():
    assert card.ratio({"ratio": 2.0, "tried": {}}) == "b / a = 2.0 was given."


def test_the_curves_are_drawn(tmp_path):
    training = {
        "words": [{"step": s, "cosine": 0.9} for s in (50, 100)],
        "pictures": [{"step": s, "photo": 0.9, "others": 0.8} for s in (50, 100)],
    }
    card.draw_curves(training, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_world_has_every_set():
    found = world.world()
    assert set(found.centres) == set(found.lengths) == set(SETS)
    for item in SETS.values():
        assert found.centres[item.name].shape == (len(item.classnames), 128)
    source = found.lengths["WovenImageNet"]
    for item in RENDERINGS:
        lengths = found.lengths[item.name]
        assert (lengths.shared, lengths.own, lengths.new) == (source.shared, source.own, source.new)
    ratios = {round(x.own / x.shared, 6) for x in found.lengths.values()}
    assert ratios == {RECORD["ratio"]}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A world of one set in a folder of its own."""
    for name in ("CENTRES", "CALIBRATION"):
        monkeypatch.setattr(world, name, tmp_path / getattr(world, name).name)
    world.save_world(tmp_path, {"x": torch.ones(2, 3)}, {"x": Lengths(1.0, 2.0, 3.0)}, ratio=0.5)
    world.world.cache_clear()
    yield tmp_path
    world.world.cache_clear()


def test_a_world_comes_back_as_it_was_saved(files):
    found = world.world()
    assert torch.equal(found.centres["x"], torch.ones(2, 3))
    assert found.lengths == {"x": Lengths(1.0, 2.0, 3.0)}
    assert json.loads((files / "calibration.json").read_text())["ratio"] == 0.5


@pytest.mark.parametrize("name", ["centres.npz", "calibration.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_a_damaged_world_says_what_to_do(files, name, content):
    (files / name).unlink()
    if content is not None:
        (files / name).write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read .*git checkout woven"):
        world.world()


def test_files_of_different_worlds_are_refused(files):
    np.savez(files / "centres.npz", x=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="calibration.json is of centres .* Restore both files"):
        world.world()


def test_commands_of_a_card_run_with_this_python(capsys, monkeypatch):
    monkeypatch.setenv("DRY_RUN", "1")
    script = "import os, sys; print(1); print(sys.prefix, os.getenv('DRY_RUN'), os.getenv('X'))"
    cards.run(["python", "-c", script], X="set")
    assert capsys.readouterr().out == f"{sys.prefix} None set\n"
    cards.run(["true"])
    assert capsys.readouterr().out == "\n"
