import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.runs.collect import LeftOut, Run
from reports.tables.base_to_new_numbers import Cost, base_to_new, harmonic_mean

PERCENT = st.floats(min_value=0, max_value=100)
counter = itertools.count()


def make_run(subset, accuracy, *, trainer="CoOp", seed=1, dataset="Shapes", parameters=8, **fields):
    settings = {"recipe": "r", "backbone": "Pocket", "weights": "a", "shots": 16, "split": "test"}
    settings |= {"step_sec": 0.5, "peak_memory_bytes": 100}
    settings |= {"path": f"{next(counter):06}.json"} | fields
    return Run(
        trainer=trainer,
        dataset=dataset,
        seed=seed,
        subset=subset,
        accuracy=accuracy,
        trained_parameters=parameters,
        **settings,
    )


def make_pair(base, new, **fields):
    return [make_run("base", base, **fields), make_run("new", new, **fields)]


@given(PERCENT, PERCENT)
def test_harmonic_mean_lies_between_its_arguments(base, new):
    mean = harmonic_mean(base, new)
    slack = 1e-12 * max(base, new, 1)
    assert min(base, new) - slack <= mean <= max(base, new) + slack
    assert mean <= (base + new) / 2 + slack
    assert mean == harmonic_mean(new, base)


def test_harmonic_mean_of_nothing_is_zero():
    assert harmonic_mean(0, 0) == 0
    assert harmonic_mean(0, 50) == 0


def test_published_harmonic_mean():
    assert harmonic_mean(82.69, 63.22) == pytest.approx(71.66, abs=0.005)


def test_seeds_are_averaged_by_hand():
    runs = make_pair(80, 60, seed=1) + make_pair(60, 40, seed=2)
    (row,) = base_to_new(runs).blocks[0].rows
    assert (row.base.value, row.base.std) == (70, 10)
    assert (row.new.value, row.new.std) == (50, 10)
    # Of the averages: 2 * 70 * 50 / 120; of the seeds: 480 / 7 and 48.
    assert row.harmonic.value == pytest.approx(7000 / 120)
    assert row.harmonic.std == pytest.approx((480 / 7 - 48) / 2)
    assert row.seeds == (1, 2)


@given(st.lists(st.tuples(PERCENT, PERCENT), min_size=1, max_size=5))
def test_row_harmonic_lies_between_base_and_new(accuracies):
    runs = [run for seed, pair in enumerate(accuracies) for run in make_pair(*pair, seed=seed)]
    (row,) = base_to_new(runs).blocks[0].rows
    low, high = sorted((row.base.value, row.new.value))
    assert low - 1e-9 <= row.harmonic.value <= high + 1e-9
    assert all(math.isfinite(e.std) and e.std >= 0 for e in (row.base, row.new, row.harmonic))


def test_rows_are_ordered():
    names = ("TCP", "CoOp", "e2mim", "CoCoOp", "ZeroshotCLIP2", "KgCoOp", "ZeroshotCLIP")
    runs = [run for name in names for run in make_pair(60, 50, trainer=name)]
    (block,) = base_to_new(runs).blocks
    assert [row.method.trainer for row in block.rows] == [
        *("ZeroshotCLIP", "ZeroshotCLIP2", "CoOp", "CoCoOp", "e2mim", "KgCoOp", "TCP")
    ]


@pytest.mark.parametrize("field", ["weights", "backbone", "dataset"])
def test_what_cannot_be_compared_is_in_another_block(field):
    runs = make_pair(60, 50) + make_pair(70, 40, **{field: "other"})
    blocks = [b for b in base_to_new(runs).blocks if not b.dataset.startswith("Average")]
    assert [len(block.rows) for block in blocks] == [1, 1]


@pytest.mark.parametrize(
    "fields",
    [{"shots": 4}, {"recipe": "other"}, {"settings": (("OPTIM.LR", "1"),)}, {"commit": "abc"}],
)
def test_other_shots_recipes_settings_and_commits_are_other_rows(fields):
    (block,) = base_to_new(make_pair(60, 50) + make_pair(70, 40, **fields)).blocks
    assert [row.base.value for row in block.rows] in ([60, 70], [70, 60])


@pytest.mark.parametrize("field", ["weights", "commit", "recipe", "backbone"])
def test_halves_of_different_origin_are_no_pair(field):
    halves = [make_run("base", 60, **{field: "a"}), make_run("new", 50, **{field: "b"})]
    report = base_to_new(halves)
    assert report.blocks == ()
    assert [item.reason.split(":")[0] for item in report.left_out] == [
        "base without new",
        "new without base",
    ]


def test_neither_of_two_results_for_a_cell_is_chosen():
    runs = [
        make_run("base", 60, path="a"),
        make_run("base", 61, path="b"),
        make_run("new", 50, path="c"),
        *make_pair(70, 60, seed=2),
    ]
    report = base_to_new(runs, [LeftOut("0", "unreadable")])
    assert report.blocks[0].rows[0].seeds == (2,)
    assert report.left_out == (
        LeftOut("0", "unreadable"),
        LeftOut("a", "duplicate: the same base cell as b; keep one"),
        LeftOut("b", "duplicate: the same base cell as a; keep one"),
        LeftOut("c", "its base half is ambiguous (2 results)"),
    )


def test_only_the_test_split_counts():
    report = base_to_new(make_pair(60, 50, split="val"))
    assert [item.reason for item in report.left_out] == ["split must be test; got 'val'"] * 2


def test_all_classes_are_counted_in_a_note():
    report = base_to_new([*make_pair(60, 50), make_run("all", 40)])
    assert report.left_out == ()
    assert report.notes == ("1 result(s) on all classes are not in this table.",)


def test_average_over_data_sets():
    runs = [
        *make_pair(80, 60, dataset="A", seed=1),
        *make_pair(60, 40, dataset="A", seed=2),
        *make_pair(40, 20, dataset="B", seed=1, parameters=9),
        *make_pair(40, 40, dataset="B", seed=2, parameters=9),
    ]
    report = base_to_new(runs)
    assert [block.dataset for block in report.blocks] == ["A", "B", "Average over 2 data sets"]
    (row,) = report.blocks[-1].rows
    # Seed 1: 60 and 40; seed 2: 50 and 40.
    assert (row.base.value, row.base.std) == (55, 5)
    assert (row.new.value, row.new.std) == (40, 0)
    assert row.harmonic.value == pytest.approx(2 * 55 * 40 / 95)
    assert row.cost == Cost((8, 9), step_sec=0.5, memory_bytes=100, devices=("not recorded",))
    # Of the four: 2BN / (B + N) of (80, 60), (40, 20) and (60, 40), (40, 40), seed by seed.
    first = (9600 / 140 + 1600 / 60) / 2
    second = (48 + 40) / 2
    assert row.mean_harmonic.value == pytest.approx((first + second) / 2)
    assert row.mean_harmonic.std == pytest.approx(abs(first - second) / 2)
    assert report.notes == ()


def test_rows_of_several_commits_and_other_images_are_noted():
    runs = [
        *make_pair(60, 50, seed=1, commit="aaa", shot_list="x"),
        *make_pair(60, 50, seed=2, commit="bbb", shot_list="x"),
        *make_pair(60, 50, seed=1, trainer="TCP", shot_list="y"),
    ]
    report = base_to_new(runs)
    assert [row.seeds for row in report.blocks[0].rows] == [(1,), (2,), (1,)]
    assert report.notes == (
        "CoOp: results of 2 commits (aaa, bbb) stand in rows of their own; --any-commit joins "
        "them.",
        "Trained on different images: CoOp against TCP: Shapes, base classes, 16 shots, seed 1; "
        "Shapes, new classes, 16 shots, seed 1.",
    )


def test_average_holds_only_what_every_data_set_has():
    runs = [
        *make_pair(80, 60, dataset="A", seed=1),
        *make_pair(60, 40, dataset="A", seed=2),
        *make_pair(40, 20, dataset="B", seed=1),
        *make_pair(90, 90, dataset="B", trainer="KgCoOp"),
    ]
    report = base_to_new(runs)
    (row,) = report.blocks[-1].rows
    assert (row.method.trainer, row.seeds, row.base.value) == ("CoOp", (1,), 60)
    assert report.notes == (
        "Average over 2 data sets: CoOp over seed 1 only (seed 2: no result on B); without KgCoOp "
        "(no result on A).",
    )


def test_data_sets_of_different_weights_are_not_averaged():
    report = base_to_new(
        make_pair(60, 50, dataset="A") + make_pair(60, 50, dataset="B", weights="b")
    )
    assert [block.dataset for block in report.blocks] == ["A", "B"]


@given(
    st.permutations(make_pair(60, 50) + make_pair(61, 52, seed=2) + make_pair(7, 8, dataset="B"))
)
def test_order_of_the_runs_does_not_matter(runs):
    assert base_to_new(runs) == base_to_new(sorted(runs, key=lambda run: run.path))


def test_published_recipes_that_follow_the_data_set_are_averaged():
    runs = [
        *make_pair(80, 60, dataset="ImageNet", recipe="ep50"),
        *make_pair(60, 40, dataset="A", recipe="ep200"),
        *make_pair(70, 20, dataset="B", recipe="ep200"),
    ]
    report = base_to_new(runs)
    (row,) = report.blocks[-1].rows
    assert (row.base.value, row.new.value, row.recipe) == (70, 40, "")
    assert [block.rows[0].recipe for block in report.blocks[:3]] == ["ep200", "ep200", "ep50"]
    assert report.notes == ("CoOp: ImageNet: recipe ep50; A, B: recipe ep200.",)
    # Where the two meet, they are two methods, and neither has all data sets.
    report = base_to_new([*runs, *make_pair(61, 41, dataset="A", recipe="ep50")])
    assert [len(block.rows) for block in report.blocks] == [2, 1, 1]
    assert report.notes == (
        "No average over 3 data sets: no row has a seed with results on all of them.",
    )


def test_where_there_is_no_average_one_note_says_so():
    names = [f"Method{number}" for number in range(10)]
    runs = [
        run
        for number, name in enumerate(names)
        for run in make_pair(60, 50, trainer=name, dataset="AB"[number % 2])
    ]
    assert base_to_new(runs).notes == (
        "No average over 2 data sets: no row has a seed with results on all of them.",
    )
    runs += make_pair(60, 50, trainer=names[0], dataset="B")
    (note,) = base_to_new(runs).notes
    assert note == (
        "Average over 2 data sets: without Method1, Method3, Method5, Method7, Method9 (no result "
        "on A); without Method2, Method4, Method6, Method8 (no result on B)."
    )
