"""Calibration: numbers by hand, tables from kept logits, what is left out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reports.__main__ import main
from reports.figures.reliability import reliability
from reports.runs.collect import collect_runs
from reports.tables.calibration import document
from reports.tables.calibration_numbers import BINS, Calibration, equal_count, equal_width
from run_files.logits import Logits, content_hash, from_bytes, to_bytes

LOG3 = math.log(3)
# Two classes; confidence 3/4 or 9/10, by hand.
LOGITS = np.array([[LOG3, 0], [LOG3, 0], [0, LOG3], [0, 2 * LOG3]], np.float32)
LABELS = np.array([0, 1, 1, 1])  # right, wrong, right, right


def test_by_hand():
    found = Calibration.of(LOGITS, LABELS)
    # Bins of 1/15: three images of 0.75 in one (2 of 3 right), one of 0.9 in another (right).
    gap, other = 0.75 - 2 / 3, 0.1
    assert found.accuracy == 75
    assert found.ece == pytest.approx(100 * (3 * gap + other) / 4)
    assert found.maximum == pytest.approx(100 * other)
    # Of 15 bins of as many images, four hold one image each.
    assert found.adaptive == pytest.approx(100 * (0.25 + 0.75 + 0.25 + 0.1) / 4)
    assert found.nll == pytest.approx(-(2 * math.log(0.75) + math.log(0.25) + math.log(0.9)) / 4)
    assert found.brier == pytest.approx((2 * 2 * 0.25**2 + 2 * 0.75**2 + 2 * 0.1**2) / 4)
    assert found.bias == pytest.approx(100 * ((3 * 0.75 + 0.9) / 4 - 0.75))


def test_edges_of_bins_belong_to_the_bin_below():
    confidence = np.array([1 / 15, 1 / 15 + 1e-9, 1.0, 2 / 15])
    bins = equal_width(confidence, np.array([True, False, True, True]))
    assert bins.count.tolist() == [1, 2, 1]
    assert bins.accuracy.tolist() == [1, 0.5, 1]


@given(st.integers(1, 100), st.integers(0, 5))
def test_bins_of_as_many_images(count, seed):
    confidence = np.random.default_rng(seed).random(count)
    bins = equal_count(confidence, confidence > 0.5)
    assert bins.count.sum() == count and len(bins.count) == min(count, BINS)
    assert bins.count.max() - bins.count.min() <= 1
    assert (np.diff(bins.confidence) > 0).all()
    np.testing.assert_allclose((bins.count * bins.confidence).sum(), confidence.sum())


@given(arrays(np.float32, (6, 3), elements=st.floats(-50, 50, width=32)), st.floats(-20, 20))
def test_a_constant_added_to_an_image_changes_nothing(logits, constant):
    labels, logits = np.array([0, 1, 2, 0, 1, 2]), logits.astype(np.float64)
    one, other = (Calibration.of(values, labels) for values in (logits, logits + constant))
    assert one.nll == pytest.approx(other.nll, abs=1e-9)
    assert one.brier == pytest.approx(other.brier, abs=1e-9)
    assert 0 <= one.brier <= 2 and one.nll >= 0
    # A mean of gaps is below the largest, and above the gap of the means.
    assert abs(one.bias) - 1e-9 <= one.ece <= one.maximum + 1e-9
    assert abs(one.bias) - 1e-9 <= one.adaptive <= 100


def test_one_who_is_sure_and_right_has_no_error_and_one_who_is_wrong_has_all():
    sure = np.array([[100.0, 0], [0, 100.0]])
    right = Calibration.of(sure, np.array([0, 1]))
    assert (right.ece, right.adaptive, right.maximum) == pytest.approx((0, 0, 0), abs=1e-9)
    assert (right.nll, right.brier) == pytest.approx((0, 0), abs=1e-9)
    wrong = Calibration.of(sure, np.array([1, 0]))
    assert (wrong.ece, wrong.bias, wrong.brier) == pytest.approx((100, 100, 2))


@pytest.fixture
def write_logits(write_result):
    """Writes a result with logits that are LOGITS, `times` as large."""

    def write(folder, times=1.0, *, said=None, content=None, **fields):
        logits = Logits(LOGITS * np.float32(times), LABELS, ("a", "b"))
        data = to_bytes(logits)[0] if content is None else content
        said = said or content_hash(from_bytes(to_bytes(logits)[0]))
        path = write_result(folder, accuracy=75.0, logits_sha256=said, **fields)
        if data:
            path.with_name("logits.npz").write_bytes(data)
        return path

    return write


def made(tmp_path):
    runs, left = collect_runs(tmp_path / "runs")
    return document(tmp_path / "runs", runs, left, title="T")


def test_rows_are_means_over_seeds_and_the_least_error_is_best(tmp_path, write_logits):
    write_logits("a1", 1.0, seed=1)
    write_logits("a2", 2.0, seed=2)
    write_logits("b1", 9.0, seed=1, trainer="KgCoOp")
    report, diagrams = made(tmp_path)
    (grid,) = report.grids
    assert grid.title == "PocketShapes, base classes (Pocket)" and not report.left_out
    numbers = [Calibration.of(LOGITS * times, LABELS) for times in (1, 2, 9)]
    cell = grid.cell("CoOp", "ECE")
    assert cell.value == pytest.approx((numbers[0].ece + numbers[1].ece) / 2, rel=1e-3)  # halves
    assert cell.seeds == (1, 2) and cell.std > 0
    assert grid.cell("KgCoOp", "NLL x 100").value == pytest.approx(100 * numbers[2].nll, rel=1e-3)
    ranks = dict(zip(grid.columns, grid.ranks(), strict=False))
    coop, kgcoop = (grid.cell(row, "Brier x 100").written for row in ("CoOp", "KgCoOp"))
    assert coop < kgcoop and ranks["Brier x 100"] == {coop: 1, kgcoop: 2}
    assert ranks["Confidence - accuracy"] == {}
    (diagram,) = diagrams
    assert [bins.count.sum() for bins in diagram.bins.values()] == [8, 4]
    figure = reliability(diagrams, title="T")
    lines = {line.get_color(): line for line in figure.axes[0].lines}
    assert len(lines) == 3  # the diagonal, and two methods


def test_averages_are_of_rows_that_have_all_data_sets(tmp_path, write_logits):
    for trainer, datasets in (("CoOp", ("D", "E")), ("KgCoOp", ("D",))):
        for dataset in datasets:
            write_logits(f"{trainer}{dataset}", 1 + len(dataset), trainer=trainer, dataset=dataset)
    report, diagrams = made(tmp_path)
    assert [grid.title for grid in report.grids] == [
        "D, base classes (Pocket)", "E, base classes (Pocket)",
        "Average of 2, base classes (Pocket)",
    ]  # fmt: skip
    assert [row.label for row in report.grids[2].rows] == ["CoOp"] and len(diagrams) == 2


def test_what_was_trained_elsewhere_is_another_table_with_zero_shot_in_both(tmp_path, write_logits):
    """A few-shot run and a transfer to the same data set: neither twins nor one average."""
    own, other = ({"dataset": name, "subset": "all"} for name in ("D", "Source"))
    for seed, times in ((1, 1.0), (2, 2.0)):
        write_logits(f"own{seed}", times, dataset="D", subset="all", seed=seed, trained_on=own)
        write_logits(f"away{seed}", 9.0, dataset="D", subset="all", seed=seed, trained_on=other)
    zero_shot = {"trained_parameters": 0, "step_sec": None, "shots": 0, "trainer": "ZeroshotCLIP"}
    write_logits("z", 3.0, dataset="D", subset="all", **zero_shot)
    write_logits("e", 3.0, dataset="E", subset="all", **zero_shot)
    report, _ = made(tmp_path)
    assert not report.left_out
    found = {grid.title: [row.label for row in grid.rows] for grid in report.grids}
    assert found == {
        "D, all classes (Pocket)": ["ZeroshotCLIP", "CoOp"],
        "D, all classes, trained on Source, all classes (Pocket)": ["ZeroshotCLIP", "CoOp"],
        "E, all classes (Pocket)": ["ZeroshotCLIP"],
        "Average of 2, all classes (Pocket)": ["ZeroshotCLIP"],
    }
    away = Calibration.of(LOGITS * 9, LABELS).ece
    assert report.grids[1].cell("CoOp", "ECE").value == pytest.approx(away, rel=1e-2)


def test_own_sets_of_one_name_are_in_no_average(tmp_path, write_logits):
    for place in "ab":
        own = {"path": f"/{place}", "list": "", "images_sha256": place * 64}
        write_logits(place, dataset="Mine", own_data=own)
    titles = [grid.title for grid in made(tmp_path)[0].grids]
    assert titles == ["Mine [a], base classes (Pocket)", "Mine [b], base classes (Pocket)"]


def test_what_cannot_be_used_is_named_and_what_was_not_kept_is_counted(
    tmp_path, write_logits, write_result, capsys
):
    write_logits("good")
    write_logits("gone", trainer="A", content=b"")
    write_logits("damaged", trainer="B", content=b"PK")
    write_logits("other", trainer="C", said="0" * 64)
    write_result("old", trainer="D")
    report, _ = made(tmp_path)
    assert {item.path: item.reason[:30] for item in report.left_out} == {
        "gone/logits.npz": "No such file or directory",
        "damaged/logits.npz": "no file of logits that can be ",
        "other/logits.npz": "its content is not that which ",
    }
    assert any(note.startswith("1 result(s) are in no table") for note in report.notes)
    arguments = ["calibration", "--output", str(tmp_path / "runs")]
    assert main(arguments) == 0 and main([*arguments, "--strict"]) == 1
    assert "No such file" in capsys.readouterr().out
    assert (tmp_path / "runs/calibration.png").stat().st_size > 1000
    assert main(["html", "--output", str(tmp_path / "runs")]) == 0
    page = (tmp_path / "runs/report.html").read_text()
    assert 'id="calibration"' in page and "Adaptive ECE" in page


def test_without_logits_there_is_nothing_to_report(tmp_path, write_result, capsys):
    write_result("old")
    assert main(["calibration", "--output", str(tmp_path / "runs")]) == 2
    assert "No calibration results" in capsys.readouterr().err


def test_a_row_with_the_temperature_of_the_training(tmp_path, write_logits):
    """Of base and new classes; not where the training fitted none, or its run is not there."""
    fitted = {"temperature": {"value": 2.0, "images": 8}}
    trained_on = {"dataset": "D", "subset": "base"}
    for subset, more in (("base", fitted), ("new", {})):
        write_logits(subset, dataset="D", subset=subset, trained_on=trained_on, **more)
        write_logits(f"{subset}2", dataset="D", subset=subset, trained_on=trained_on,
                     trainer="KgCoOp")  # fmt: skip
    report, _ = made(tmp_path)
    scaled = Calibration.of(LOGITS / 2, LABELS)
    for grid in report.grids:
        assert [row.label for row in grid.rows] == ["CoOp", "CoOp + temperature", "KgCoOp"]
        cell = grid.cell("CoOp + temperature", "ECE")
        assert cell.value == pytest.approx(scaled.ece, rel=1e-3)
