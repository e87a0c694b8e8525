"""What averages hide: differences to zero-shot, and averages without each data set."""

import pytest

from reports.runs.collect import collect_runs
from reports.tables import base_to_new as tables
from reports.tables.base_to_new import Options
from reports.tables.base_to_new_hidden import CORNER
from reports.tables.base_to_new_numbers import base_to_new
from reports.tables.harmonic_mean import harmonic_mean

ZERO_SHOT = {"shots": 0, "trained_parameters": 0, "step_sec": None}


def hidden(tmp_path, **options):
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    document = tables.document(report, title="T", options=Options(**options))
    return [grid for grid in document.grids if grid.corner == CORNER], document


@pytest.fixture
def three(tmp_path, write_pair):
    """Zero-shot and CoOp on three data sets, KgCoOp on two of them."""
    new = {"A": (60, 50), "B": (70, 80), "C": (40, 39.996)}
    for name, (zero_shot, tuned) in new.items():
        write_pair(f"z{name}", 50, zero_shot, trainer="ZeroshotCLIP", dataset=name, **ZERO_SHOT)
        write_pair(f"e{name}", 50, 99, trainer="ZeroshotCLIP2", dataset=name, **ZERO_SHOT)
        for seed, more in ((1, -2), (2, 2)):
            write_pair(f"c{name}{seed}", 80, tuned + more, dataset=name, seed=seed)
    for name in "AB":
        write_pair(f"k{name}", 75, 61, trainer="KgCoOp", dataset=name)
    return tmp_path


def test_differences_to_zero_shot_by_hand(three):
    (grid, _), document = hidden(three)
    assert grid.title == "New classes, difference to zero-shot (Pocket)"
    assert grid.columns == ("A", "B", "C", "Below zero-shot")
    # Means over seeds against the single template; 0.004 points are 0.00 as readers see them.
    shown = {row.label: row.entries for row in grid.rows}
    assert list(shown) == ["ZeroshotCLIP2", "CoOp", "KgCoOp"]
    assert [cell.value for cell in shown["CoOp"][:3]] == pytest.approx([-10, 10, -0.004])
    assert shown["CoOp"][0].seeds == (1, 2) and shown["CoOp"][3] == "1 of 3"
    assert [cell and cell.value for cell in shown["KgCoOp"][:3]] == pytest.approx([1, -9, ""])
    assert shown["KgCoOp"][3] == "1 of 2" and shown["ZeroshotCLIP2"][3] == "0 of 3"
    assert any("difference to zero-shot" in note or "differences to zero-shot" in note
               for note in document.notes)  # fmt: skip


def test_one_zero_shot_row_is_the_measure_on_all_data_sets(tmp_path, write_pair):
    """The template is on A alone, the ensemble on A and B: it measures both."""
    write_pair("z", 50, 10, trainer="ZeroshotCLIP", dataset="A", **ZERO_SHOT)
    for name in "AB":
        write_pair(f"e{name}", 50, 60, trainer="ZeroshotCLIP2", dataset=name, **ZERO_SHOT)
        write_pair(f"c{name}", 80, 50, dataset=name)
    (grid,), _ = hidden(tmp_path)
    assert [grid.cell("CoOp", name).value for name in "AB"] == [-10, -10]
    assert grid.cell("CoOp", "Below zero-shot") == "2 of 2"
    assert grid.cell("ZeroshotCLIP", "A").value == -50


@pytest.mark.parametrize("kind", ["averages", "mean"])
def test_averages_without_each_data_set_by_hand(three, kind):
    (_, grid), _ = hidden(three, harmonic=kind)
    assert grid.columns == ("without A", "without B", "without C")
    seeds = [[(80, value + more) for value in (50, 80, 39.996)] for more in (-2, 2)]
    without_a = [pairs[1:] for pairs in seeds]
    if kind == "averages":
        new = sum(new for pairs in without_a for _, new in pairs) / 4
        expected = harmonic_mean(80, new)
    else:
        expected = sum(harmonic_mean(*pair) for pairs in without_a for pair in pairs) / 4
    assert grid.cell("CoOp", "without A").value == pytest.approx(expected)
    # KgCoOp has both of the other data sets where C is left out, and only then.
    assert grid.cell("KgCoOp", "without A") == ""
    assert grid.cell("KgCoOp", "without C").value == pytest.approx(harmonic_mean(75, 61))


def test_two_data_sets_leave_no_average_without_one_and_one_has_no_table(tmp_path, write_pair):
    write_pair("c", 80, 60, dataset="A")
    write_pair("z", 50, 60, trainer="ZeroshotCLIP", dataset="A", **ZERO_SHOT)
    assert hidden(tmp_path)[0] == []
    write_pair("c2", 80, 60, dataset="B")
    assert hidden(tmp_path)[0] == []  # zero-shot is on one alone
    write_pair("z2", 50, 60, trainer="ZeroshotCLIP", dataset="B", **ZERO_SHOT)
    (grid,), _ = hidden(tmp_path)
    assert grid.title.startswith("New classes")
