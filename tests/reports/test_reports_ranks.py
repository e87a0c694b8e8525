"""Average ranks over data sets by hand, and the published constants of the critical difference."""

import pytest
from scipy import stats

from reports.__main__ import main
from reports.figures.critical_difference import critical_difference as draw
from reports.runs.collect import collect_runs
from reports.tables.ranks import critical_difference, document


@pytest.mark.parametrize(("rows", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_differences_have_demsars_constants(rows, q):
    """Table 5(a) of Demsar, 2006."""
    expected = q * (rows * (rows + 1) / (6 * 11)) ** 0.5
    assert critical_difference(rows, 11) == pytest.approx(expected, rel=3e-4)


def test_the_documents_examples_are_right():
    assert f"{critical_difference(10, 11):.1f} {critical_difference(10, 3):.1f}" == "4.1 7.8"


@pytest.fixture
def three(tmp_path, write_pair):
    """New accuracies of three methods on three data sets; a fourth lacks one of these."""
    new = {"A": (50, 60, 70), "B": (50, 60, 60), "C": (70, 60.001, 60)}
    for dataset, values in new.items():
        for trainer, value in zip(("CoOp", "KgCoOp", "TCP"), values, strict=True):
            write_pair(f"{dataset}{trainer}", 80, value, dataset=dataset, trainer=trainer)
    write_pair("z", 90, 90, dataset="A", trainer="MaPLe")
    return tmp_path / "runs"


def test_ranks_by_hand(three):
    report, (ranking,) = document(*collect_runs(three), title="T")
    (grid,) = report.grids
    # A: 3, 2, 1; B: 3, 1.5, 1.5; C: 1, 2.5, 2.5, as 60.001 is written 60.00.
    for trainer, expected in (("CoOp", 7 / 3), ("KgCoOp", 2), ("TCP", 5 / 3)):
        assert grid.cell(trainer, "New").value == pytest.approx(expected)
        assert grid.cell(trainer, "Base").value == 2
    new = dict(zip(grid.columns, grid.ranks(), strict=True))["New"]
    assert new == {1.67: 1, 2.0: 2}  # the least is the best
    assert ranking.p["Base"] == 1
    friedman = stats.friedmanchisquare([50, 50, 70], [60, 60, 60], [70, 60, 60]).pvalue
    assert ranking.p["New"] == pytest.approx(friedman)
    assert ranking.left == ("MaPLe",) and any("not ranked: MaPLe" in n for n in report.notes)


def test_own_sets_of_one_name_are_not_ranked_over(three, write_pair):
    for place in "ab":
        own = {"path": f"/{place}", "list": "", "images_sha256": place * 64}
        for trainer in ("CoOp", "KgCoOp", "TCP"):
            write_pair(f"m{place}{trainer}", 80, 70, trainer=trainer, dataset="Mine", own_data=own)
    _, (ranking,) = document(*collect_runs(three), title="T")
    assert ranking.datasets == ("A", "B", "C") and ranking.where == "Pocket"


def test_the_figure_has_a_dot_a_row_and_bars_of_the_critical_difference(three):
    _, found = document(*collect_runs(three), title="T")
    figure = draw(found, title="T")
    assert len(figure.axes) == 3
    names = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert names == ["TCP", "KgCoOp", "CoOp"]
    for container in figure.axes[1].containers:
        ((left, right),) = [segment[:, 0] for segment in container.lines[2][0].get_segments()]
        assert right - left == pytest.approx(found[0].critical)


def test_the_command_and_what_cannot_be_ranked(three, tmp_path, write_pair, capsys):
    assert main(["ranks", "--output", str(three)]) == 0
    assert "critical difference 1.91" in capsys.readouterr().out
    assert (three / "ranks.svg").is_file()
    write_pair("../one/a", 80, 70)
    write_pair("../one/b", 80, 70, trainer="TCP")
    assert main(["ranks", "--output", str(tmp_path / "one")]) == 2
    assert "No ranks results" in capsys.readouterr().err
