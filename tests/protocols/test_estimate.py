"""What a plan would take: counts of work, and hours from short runs that are made up."""

import json

import pytest

from protocols import estimate, main
from protocols.cell import Plan
from protocols.estimate import Measured, Work, representatives, seconds_of, short, work_of
from protocols.expanding import plan_of
from protocols.request import requested
from protocols.sizes import Size, size_of


@pytest.fixture
def cells():
    """By name: a training of CoOp, its test, one of GDA with 4 shots."""
    environment = {"SEEDS": "1", "DATA": "/nowhere"}
    requests = [
        requested("base2new", ["CoOp", "dtd", "default", "OPTIM.MAX_EPOCH", "7"], environment),
        requested("base2new", ["GDA", "woven_dtd"], environment | {"SHOTS": "4"}),
        requested("base2new", ["GDA", "dtd"], environment),
    ]
    return plan_of(requests).cells


def test_work_is_counted_from_arguments_recipe_and_size(cells):
    size = Size(classes=47, tests=1692)
    assert size_of("dtd", "/nowhere") == size
    train, test, gda = (work_of(cell, size) for cell in cells[:3])
    # 24 base classes, 16 shots, the recipe's batches of 32.
    assert train == Work(tests=864, classes=24, images=384, epochs=7, steps=7 * 12)
    assert test == Work(tests=828, classes=23, images=0, epochs=0, steps=0)
    assert (gda.images, gda.classes) == (24 * 4, 24)


def test_the_size_of_a_drawn_set_is_that_of_its_list(tmp_path):
    assert size_of("woven_dtd", str(tmp_path)) is None
    size_of.cache_clear()
    (tmp_path / "woven_dtd").mkdir()
    split = {"train": [], "val": [], "test": [["a", 0, "x"], ["b", 1, "y"], ["c", 1, "y"]]}
    (tmp_path / "woven_dtd/split_woven.json").write_text(json.dumps(split))
    assert size_of("woven_dtd", str(tmp_path)) == Size(2, 3)
    (tmp_path / "woven_dtd/split_woven.json").write_text("[]")
    size_of.cache_clear()
    assert size_of("woven_dtd", str(tmp_path)) is None


def test_short_runs_are_one_of_each_method_and_of_each_unknown_set(cells, tmp_path):
    known = {"dtd": Size(47, 1692), "woven_dtd": None}
    chosen = representatives(cells, known)
    assert [(cell.trainer, cell.dataset) for cell in chosen] == [
        ("CoOp", "dtd"), ("GDA", "dtd"), ("GDA", "woven_dtd"),
    ]  # fmt: skip
    one = short(chosen[0], str(tmp_path))
    assert one.argv[one.argv.index("OPTIM.MAX_EPOCH") + 1] == "1"
    assert one.argv[one.argv.index("--output-dir") + 1] == one.folder
    assert one.folder.startswith(str(tmp_path))
    assert "OPTIM.MAX_EPOCH" not in short(chosen[1], str(tmp_path)).argv  # fitted at once


def test_tests_of_trainings_that_are_done_are_measured(cells):
    tests = [cell for cell in cells if cell.needs and cell.dataset == "dtd"]
    chosen = representatives(tests, {"dtd": Size(47, 1692)})
    assert [cell.trainer for cell in chosen] == ["CoOp", "GDA"]
    assert all("--model-dir" in cell.argv for cell in chosen)


def test_what_is_no_number_is_said_with_its_key(cells):
    wrong = estimate.with_value(cells[0], "OPTIM.MAX_EPOCH", "abc")
    with pytest.raises(ValueError, match="OPTIM.MAX_EPOCH must be a number from 1; got 'abc'"):
        work_of(wrong, Size(47, 1692))


def test_what_has_no_recipe_is_named_by_estimate_and_slurm(tmp_path, monkeypatch, capsys):
    plan = Plan([], [("CoOp on dtd, 3 shots", "error: no recipe")])
    monkeypatch.setattr(main, "plan_of", lambda requests: plan)
    monkeypatch.setattr(main, "require_data", lambda wanted: True)
    text = f"output: {tmp_path}\nprotocols: few_shot\nmethods: CoOp\ndatasets: dtd\n"
    (tmp_path / "plan.yaml").write_text(text)
    file = str(tmp_path / "plan.yaml")
    for words in (["estimate", file], ["run", "--slurm", str(tmp_path / "a.sh"), file]):
        assert main.main(words) == 1
        assert "CoOp on dtd, 3 shots\nerror: no recipe\n" in capsys.readouterr().err


def test_a_run_costs_its_steps_and_its_test_images():
    base = Work(tests=100, classes=10, images=20, epochs=1, steps=5)
    one = Measured(base, setup_sec=3, train_sec=2, step_sec=0.2, test_sec=10, folder_bytes=1)
    more = Work(tests=50, classes=10, images=40, epochs=10, steps=100)
    assert seconds_of(more, one, by_steps=True) == pytest.approx(3 + 1 + 100 * 0.2 + 5)
    assert seconds_of(more, one, by_steps=False) == pytest.approx(3 + 2 * 2 + 5)
    test = Work(tests=50, classes=10, images=0, epochs=0, steps=0)
    assert seconds_of(test, one, by_steps=True) == pytest.approx(3 + 5)


def test_what_is_printed(cells, monkeypatch, capsys):
    def measure(chosen):
        size = size_of("dtd", "/nowhere")
        one = Measured(work_of(chosen[0], size), 1.0, 1.0, 0.5, 2.0, 10**9)
        return {"CoOp": one}, {"GDA": "text\nerror: it has no shots\nhint"}

    monkeypatch.setattr(estimate, "measure", measure)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert estimate.show_estimate(plan_of([]), 2) == 0
    assert (
        capsys.readouterr().out
        == "0 runs, 0 of them done; left are 0 trainings and 0 evaluations\n"
    )
    assert estimate.show_estimate(type("P", (), {"cells": cells})(), 2) == 1
    out = capsys.readouterr().out
    assert out.startswith("6 runs, 0 of them done; left are 3 trainings and 3 evaluations\n")
    seconds = (1 + 0 + 84 * 0.5 + 2) + (1 + 2 * 828 / 864)
    assert f"CoOp    frozen     2  0:00:{round(seconds)}  1,692     2,688  2.00" in out
    assert (
        "at most 4,380 images to encode, 0.01 hours" in out and "with 2 at a time), 2.00 GB" in out
    )
    assert "GDA is not in it, its short run failed: error: it has no shots\n" in out
    assert "Not in it: 2 run(s) of GDA, which was not measured\n" in out
    assert "Not in it: 2 run(s) of woven_dtd, a data set of unknown size\n" in out
    assert "of one worker on the CPU of this machine" in out
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    estimate.show_estimate(type("P", (), {"cells": cells})(), 2)
    assert "of one worker on the GPU of this machine" in capsys.readouterr().out
