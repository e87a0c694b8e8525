import io
import itertools

import pytest

from reports.figures.base_against_new import base_to_new
from reports.figures.canvas import MIN_SPAN_PERCENT, save
from reports.figures.styles import SHIPPED
from reports.runs.collect import collect_runs
from reports.tables.base_to_new_numbers import base_to_new as make_report
from reports.tables.base_to_new_numbers import harmonic_mean


@pytest.fixture
def report(tmp_path, write_pair):
    write_pair("c1", 80, 60, seed=1)
    write_pair("c2", 60, 40, seed=2)
    write_pair("z", 40, 60, trainer="ZeroshotCLIP")
    return make_report(*collect_runs(tmp_path / "runs"))


def test_one_marker_and_its_bars_for_each_trainer(report):
    (axes,) = base_to_new(report, title="Ours").axes
    drawn = {bars.get_label(): bars for bars in axes.containers}
    assert list(drawn) == ["ZeroshotCLIP", "CoOp"]
    marker, _, (horizontal, vertical) = drawn["CoOp"].lines
    assert (*marker.get_xdata(), *marker.get_ydata()) == (70, 50)
    assert horizontal.get_segments()[0].tolist() == [[60, 50], [80, 50]]
    assert vertical.get_segments()[0].tolist() == [[70, 40], [70, 60]]
    assert (marker.get_color(), marker.get_marker()) == SHIPPED["CoOp"]
    assert drawn["ZeroshotCLIP"].lines[0].get_marker() == SHIPPED["ZeroshotCLIP"][1]


def test_everything_is_inside_the_panel(report):
    (axes,) = base_to_new(report, title="Ours").axes
    assert axes.get_xlim()[0] < 40 and axes.get_xlim()[1] > 80
    assert axes.get_ylim()[0] < 40 and axes.get_ylim()[1] > 60


def test_lines_have_the_harmonic_mean_of_their_name(report):
    (axes,) = base_to_new(report, title="Ours").axes
    lines = [line for line in axes.lines if line.get_label().startswith("_HM ")]
    assert len(lines) >= 2
    for line in lines:
        expected = float(line.get_label().removeprefix("_HM "))
        for base, new in line.get_xydata():
            assert harmonic_mean(base, new) == pytest.approx(expected)
    texts = [text.get_text() for text in axes.texts]
    assert texts and set(texts) <= {line.get_label().removeprefix("_HM ") for line in lines}


def test_no_two_texts_overlap(report):
    figure = base_to_new(report, title="Ours")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    texts = [*axes.texts, *figure.legends[0].texts, axes.title, *figure.texts]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_legend_names_the_trainers_in_the_order_of_the_table(report):
    (legend,) = base_to_new(report, title="Ours").legends
    assert [t.get_text() for t in legend.texts] == ["ZeroshotCLIP", "CoOp", "equal HM (%)"]


def test_one_panel_for_each_block(tmp_path, write_pair):
    for dataset in "ABCD":
        write_pair(f"c{dataset}", 80, 60, dataset=dataset)
        write_pair(f"k{dataset}", 75, 65, dataset=dataset, trainer="KgCoOp")
    figure = base_to_new(make_report(*collect_runs(tmp_path / "runs")), title="Ours")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [*(f"{d} (Pocket)" for d in "ABCD"), "Average over 4 data sets (Pocket)"]
    colours = [[bars.lines[0].get_color() for bars in axes.containers] for axes in figure.axes]
    assert all(row == colours[0] for row in colours)


@pytest.mark.parametrize("accuracies", [(50, 50), (0, 0), (100, 100), (0, 100)])
def test_a_single_point_has_room(tmp_path, write_pair, accuracies):
    write_pair("a", *accuracies)
    figure = base_to_new(make_report(*collect_runs(tmp_path / "runs")), title="Ours")
    low, high = figure.axes[0].get_xlim()
    assert high - low == MIN_SPAN_PERCENT
    save(figure, io.BytesIO(), suffix="png")


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml")])
def test_saving_twice_gives_the_same_bytes(report, suffix, start):
    pictures = [io.BytesIO(), io.BytesIO()]
    for picture in pictures:
        save(base_to_new(report, title="Ours"), picture, suffix=suffix)
    assert pictures[0].getvalue() == pictures[1].getvalue()
    assert pictures[0].getvalue().startswith(start)
