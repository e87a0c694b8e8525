"""Rank correlations with the published averages."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from woven import cards, ranking


def test_published_averages_are_the_papers():
    theirs = dict(zip(ranking.METHODS, ranking.published(), strict=True))
    assert theirs["ZeroshotCLIP"] == pytest.approx((69.34, 74.22, 71.70), abs=0.01)
    assert theirs["CoOp"] == pytest.approx((82.69, 63.22, 71.66), abs=0.01)
    assert theirs["VPT"][:2] == pytest.approx((80.24, 73.43))
    assert theirs["IVLP"][:2] == pytest.approx((84.21, 71.79))
    assert theirs["PromptSRC"] == pytest.approx((84.26, 76.10, 79.97), abs=0.01)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=12), st.randoms(use_true_random=False))
def test_spearman_is_scipys(ours, random):
    theirs = random.sample(range(100), len(ours))
    if len(set(ours)) == 1:
        ours = [*ours[:-1], 9]
    expected = spearmanr(ours, theirs).statistic
    assert ranking.spearman(np.array(ours), np.array(theirs)) == pytest.approx(expected)


def test_agreement_of_the_same_order_is_one_whatever_is_resampled():
    theirs = ranking.published()
    ours = np.broadcast_to(theirs[:, None, None, :2], (10, 11, 3, 2))
    for agreed in ranking.agreement(ours, theirs).values():
        assert (agreed.value, agreed.low, agreed.high) == pytest.approx((1, 1, 1))


def test_the_interval_widens_with_what_sets_and_seeds_say(monkeypatch):
    monkeypatch.setattr(ranking, "RESAMPLES", 400)
    theirs = ranking.published()
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(10, 11, 3, 2))
    widths = []
    for size in (0.5, 8.0):
        agreed = ranking.agreement(theirs[:, None, None, :2] + size * noise, theirs)["new"]
        assert agreed.low <= agreed.value <= agreed.high or size > 1
        widths.append(agreed.high - agreed.low)
    assert widths[0] < widths[1]


def test_a_missing_result_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no result of ZeroshotCLIP on WovenImageNet, base"):
        ranking.collect(tmp_path)


def test_results_are_collected_by_set_trainer_and_seed(tmp_path):
    for m, trainer in enumerate(ranking.METHODS):
        for d, real in enumerate(ranking.FOLDERS):
            for seed in (1,) if trainer == "ZeroshotCLIP" else ranking.SEEDS:
                for h, subset in enumerate(("base", "new")):
                    folder = tmp_path / f"{trainer}-{real}-{seed}-{subset}"
                    folder.mkdir()
                    accuracy = m + d / 20 + seed / 100 + h / 1000
                    result = {"dataset": f"Woven{real}", "trainer": trainer, "subset": subset,
                              "seed": seed, "weights_sha256": "a",
                              "metrics": {"accuracy": accuracy}}  # fmt: skip
                    (folder / "result.json").write_text(json.dumps(result))
    ours = ranking.collect(tmp_path)
    assert ours[3, 5, 1, 1] == pytest.approx(3 + 5 / 20 + 0.02 + 0.001)
    assert ours[0, 0, 2, 0] == ours[0, 0, 0, 0] == pytest.approx(0.01)
    text = ranking.table(ours, ranking.published())
    assert "| CoOp " in text and "82.69 / 63.22 / 71.66" in text
    assert "Spearman" in text and ranking.each_set(ours).count("\n") == 12
    assert "without zero-shot" in text
    (folder / "again").mkdir()
    (folder / "again/result.json").write_text(json.dumps(result))
    with pytest.raises(ValueError, match="are not of one experiment. Move one away"):
        ranking.collect(tmp_path)
    ranking.draw(ours, ranking.published(), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_a_page_without_marks_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text")
    with pytest.raises(ValueError, match="must hold the lines '<a>' and '<b>'"):
        cards.write_between(page, ("<a>", "<b>"), "new")
    page.write_text("before\n<a>\nold\n<b>\nafter\n")
    cards.write_between(page, ("<a>", "<b>"), "new")
    assert page.read_text() == "before\n<a>\nnew\n<b>\nafter\n"
