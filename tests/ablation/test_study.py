"""The protocol: no test image chooses, every method has as many choices, differences are paired."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import train
from ablation import plan as plans
from ablation.candidates import CHOICES, OVER_TCP, PUBLISHED, STRESSED, VARIED, ZERO_SHOT
from ablation.data import Place
from ablation.figures import plane
from ablation.measures import of_views
from ablation.plan import Plan
from ablation.runs import Cell
from ablation.tables import Tables, intervals
from woven.datasets import SETS, WovenSet


def test_every_method_has_as_many_choices_and_none_twice():
    assert len({len(some) for some in CHOICES.values()}) == 1
    names = [each.name for some in CHOICES.values() for each in some]
    assert len(set(names)) == len(names) == 30
    for some in (VARIED, STRESSED, OVER_TCP):
        assert (
            len({(each.trainer, each.options) for each in some})
            == len({each.name for each in some})
            == len(some)
        )
    for method, label in PUBLISHED.items():
        assert label in [each.label for each in CHOICES[method]]


def test_seeds_that_test_have_chosen_nothing():
    assert not set(plans.CHOOSING_SEEDS) & set(plans.TEST_SEEDS)


@pytest.fixture
def place(tmp_path) -> Place:
    """EuroSAT's names with empty files for images."""
    drawn = SETS["WovenEuroSAT"]
    splits = {
        split: [[f"{label}/{split}_{n:02d}.png", label, name] for label, name in
                enumerate(drawn.classnames) for n in range(count)]
        for split, count in drawn.per_class.items()
    }  # fmt: skip
    folder = tmp_path / "data" / drawn.folder
    folder.mkdir(parents=True)
    (folder / drawn.split_file).write_text(json.dumps(splits | {"version": drawn.version}))
    return Place("choose", drawn.folder, tmp_path / "data", tmp_path / "work")


def test_choosing_sees_base_classes_and_no_test_image(place):
    argv = place.arguments({"EuroSAT": "a {} from above."})
    path = Path(argv[argv.index("DATASET.FOLDER.SPLIT") + 1])
    splits = json.loads(path.read_text())
    images = [entry[0] for entries in splits.values() for entry in entries]
    assert len(set(images)) == len(images) == 5 * (32 + 8)
    assert not any("test" in image for image in images)
    assert {entry[1] for entries in splits.values() for entry in entries} == set(range(5))
    assert len(splits["train"]) == 5 * 20 and len(splits["test"]) == 5 * 20
    assert argv[-1] == "a {} from above."


def test_the_vocabulary_has_no_name_of_the_data_set(place):
    names = Path(place.vocabulary()).read_text().splitlines()
    own = {name.casefold() for name in place.drawn.classnames}
    assert len(set(names)) == len(names) > 1500 and not own & {name.casefold() for name in names}
    assert "goldfish" in names  # of another benchmark
    assert isinstance(place.drawn, WovenSet)


def test_the_choice_is_by_the_mean_harmonic_mean(tmp_path, monkeypatch):
    plan = Plan(tmp_path, tmp_path / "work")
    monkeypatch.setattr(plans, "CHOOSING_SETS", ("dtd", "eurosat"))
    for row, each in enumerate(CHOICES["KgCoOp"]):
        for folder in plans.CHOOSING_SETS:
            for seed in plans.CHOOSING_SEEDS:
                path = Cell(Place("choose", f"woven_{folder}", *_roots(plan)), each, seed).path
                path.parent.mkdir(parents=True, exist_ok=True)
                pair = (90, 40) if row == 1 else (60, 60 + row)  # the largest mean is no HM
                halves = zip(("base", "new"), pair, strict=True)
                path.write_text(json.dumps({half: {"accuracy": x} for half, x in halves}))
    assert plan.chosen("KgCoOp") == CHOICES["KgCoOp"][-1]
    with pytest.raises(FileNotFoundError):
        plan.chosen("CoOp")


def _roots(plan: Plan) -> tuple[Path, Path]:
    return plan.root, plan.work


def test_hm_of_nothing_is_nothing():
    found = plans.with_hm(np.array([[0.0, 0.0], [50.0, 50.0], [100.0, 50.0]]))
    assert found[:, 2] == pytest.approx([0, 50, 200 / 3])


def test_intervals_are_students_over_seeds_and_over_sets():
    first = np.array([[1.0, 2.0], [3.0, 5.0], [2.0, 2.0]])  # [sets, seeds]
    over_seeds, over_sets = intervals(first, np.zeros((3, 2)))
    assert (over_seeds.count, over_sets.count) == (2, 3)
    assert over_seeds.mean == over_sets.mean == pytest.approx(2.5)
    half = 12.706 * (1 / math.sqrt(2)) / math.sqrt(2)  # seeds' means are 2 and 3
    assert over_seeds.high - over_seeds.mean == pytest.approx(half, rel=1e-3)


def test_common_drift_is_told_from_what_classes_do_apart():
    generator = torch.Generator().manual_seed(0)
    hand = F.normalize(torch.randn(5, 8, generator=generator), dim=-1)
    same = of_views(hand, hand)
    assert same["cosine"] == pytest.approx(1) and same["common"] == 0
    drift = torch.randn(8, generator=generator)
    together = of_views(hand + drift, hand)  # not in unit norm, so that the drift is exact
    assert together["common"] == pytest.approx(1) and together["centred"] == pytest.approx(1)
    apart = torch.randn(5, 8, generator=generator)
    assert of_views(hand + apart - apart.mean(0), hand)["common"] == pytest.approx(0, abs=1e-12)
    assert same["nats"] <= same["at_most"] == pytest.approx(math.log(5))


def test_the_plane_keeps_what_lies_in_it():
    rng = np.random.default_rng(0)
    flat, directions = rng.normal(size=(9, 2)), np.linalg.qr(rng.normal(size=(6, 2)))[0]
    points = flat @ directions.T + 3
    found = plane(points)(points)
    distances = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (flat, found)]
    assert distances[0] == pytest.approx(distances[1])


def test_zero_shots_first_seed_stands_for_all(tmp_path):
    plan = Plan(tmp_path, tmp_path / "work")
    path = Cell(Place("test", "woven_dtd", *_roots(plan)), ZERO_SHOT, 4).path
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"base": {"accuracy": 1.0}, "new": {"accuracy": 2.0}}))
    found = plan.accuracies("test", "woven", ["dtd"], ZERO_SHOT, (4, 5))
    assert found.tolist() == [[[1.0, 2.0]] * 2]
    assert Tables(plan).plan is plan


def test_e2mims_settings_do_not_hang_on_its_recipes(tmp_path):
    """A recipe that follows the study must not change what the study runs."""
    argv = ["--trainer", "E2MIM", "--config-file", "configs/trainers/E2MIM/woven.yaml"]
    own = train.setup_cfg(train.parse_args([*argv, *CHOICES["E2MIM"][0].pairs("")]))
    default = train.setup_cfg(train.parse_args(["--trainer", "E2MIM"]))
    assert own.TRAINER.E2MIM == default.TRAINER.E2MIM
