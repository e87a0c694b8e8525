"""Figures: what they show, and that it can be read with many methods, one seed, one epoch."""

import io
import itertools

import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from reports.figures.base_against_new import base_to_new
from reports.figures.canvas import MIN_SPAN_PERCENT, save, widen
from reports.figures.cost import cost
from reports.figures.few_shot import few_shot
from reports.figures.harmonic_means import harmonic_means
from reports.figures.styles import SHIPPED
from reports.figures.training import training
from reports.runs.collect import collect_runs
from reports.tables.all_classes import document
from reports.tables.base_to_new_numbers import base_to_new as make_report
from reports.tables.costs import cost_blocks
from reports.tables.histories import histories

NAMES = list(SHIPPED)


@pytest.fixture
def report(tmp_path, write_pair):
    write_pair("a", 80, 60)
    write_pair("b", 70, 70, trainer="KgCoOp")
    write_pair("c", 40, 60, dataset="Other")
    return make_report(*collect_runs(tmp_path / "runs"))


def test_dots_are_the_harmonic_means(report):
    figure = harmonic_means(report, title="T")
    shown = {axes.get_title().split(" (")[0]: axes for axes in figure.axes}
    dots = {
        (title, bars.get_label()): round(float(bars.lines[0].get_xdata()[0]), 2)
        for title, axes in shown.items()
        for bars in axes.containers
    }
    assert dots == {
        ("PocketShapes", "CoOp"): 68.57, ("PocketShapes", "KgCoOp"): 70.0, ("Other", "CoOp"): 48.0,
        ("Average over 2 data sets", "CoOp"): 60.0,  # of 60 and 60
    }  # fmt: skip
    assert [text.get_text() for text in shown["Other"].texts] == ["48.00"]


def test_there_is_no_place_for_a_method_that_is_absent(report):
    names = [[t.get_text() for t in axes.get_yticklabels()] for axes in
             harmonic_means(report, title="T").axes]  # fmt: skip
    assert names == [["CoOp"], ["CoOp", "KgCoOp"], ["CoOp"]]


def bars_of(figure):
    """The error bars: caps and lines of all containers."""
    containers = [c for axes in figure.axes for c in axes.containers]
    assert containers and all(isinstance(c, ErrorbarContainer) for c in containers)
    return [bar for c in containers for bar in (*c.lines[1], *c.lines[2])]


@pytest.mark.parametrize(("seeds", "has_bars"), [((1,), False), ((1, 2), True)])
def test_a_single_seed_has_no_error_bar(tmp_path, write_pair, write_result, seeds, has_bars):
    for seed in seeds:
        write_pair(f"p{seed}", 80 + seed, 60 + seed, seed=seed)
        trained = {"dataset": "D", "subset": "all"}
        write_result(f"f{seed}", accuracy=50 + seed, seed=seed, subset="all", dataset="D",
                     trained_on=trained)  # fmt: skip
    runs, left = collect_runs(tmp_path / "runs")
    report = make_report(runs)
    curves = document("few-shot", runs, left, title="").grids
    figures = (
        base_to_new(report, title=""), harmonic_means(report, title=""),
        few_shot(curves, title=""), cost(cost_blocks(runs)[0], title=""),
    )  # fmt: skip
    assert [bool(bars_of(figure)) for figure in figures] == 4 * [has_bars]


def test_a_point_of_one_seed_has_no_bar_beside_one_that_has(tmp_path, write_result):
    for shots, seeds in ((1, (1,)), (4, (1, 2))):
        for seed in seeds:
            trained = {"dataset": "D", "subset": "all"}
            write_result(f"f{shots}-{seed}", accuracy=50 + 2 * seed, seed=seed, subset="all",
                         dataset="D", shots=shots, trained_on=trained)  # fmt: skip
    runs, left = collect_runs(tmp_path / "runs")
    figure = few_shot(document("few-shot", runs, left, title="").grids, title="")
    (bars,) = {c for axes in figure.axes[:1] for c in axes.containers}
    (lines,) = bars.lines[2]
    heights = [high - low for (_, low), (_, high) in lines.get_segments()]
    assert heights[0] == 0 and heights[1] > 0


@pytest.mark.parametrize("epochs", [1, 2, 7, 40])
def test_ticks_of_epochs_are_whole_and_have_room(tmp_path, write_result, epochs):
    for name in ("CoOp", "E2MIM", "TCP"):
        path = write_result(name, trainer=name).with_name("log.txt")
        path.write_text(
            "".join(f"epoch [{e}/{epochs}] mean loss 1.0\n" for e in range(1, epochs + 1))
        )
    runs, _ = collect_runs(tmp_path / "runs")
    figure = training(histories(tmp_path / "runs", runs)[0], title="T")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    ticks = [t for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high]
    assert ticks and all(t.get_text() == str(int(t.get_text())) for t in ticks)
    boxes = [t.get_window_extent() for t in ticks]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    if epochs == 1:  # equal losses do not hide each other
        assert [t.get_text() for t in ticks] == ["1"]
        assert len({line.get_xdata()[0] for line in axes.lines}) == 3


def test_a_method_keeps_its_colour_between_data_sets_and_figures(tmp_path, write_pair):
    for dataset, names in (("A", ("CoOp", "TCP", "Mine")), ("B", ("E2MIM", "TCP", "Mine"))):
        for name in names:
            write_pair(f"{dataset}/{name}", 80, 60, trainer=name, dataset=dataset)
            log = tmp_path / f"runs/{dataset}/{name}/base/log.txt"
            log.write_text("epoch [1/1] mean loss 1.0\n")
    runs, _ = collect_runs(tmp_path / "runs")
    found, _ = histories(tmp_path / "runs", runs)
    groups = {history.group for history in found}
    figures = [base_to_new(make_report(runs), title="")]
    figures += [training([h for h in found if h.group == g], title="") for g in sorted(groups)]
    legends = [figure.legends[0] for figure in figures]
    looks = [
        {
            text.get_text(): (handle.get_color(), handle.get_marker())
            for text, handle in zip(legend.texts, legend.legend_handles, strict=True)
        }
        for legend in legends
    ]
    assert len(figures) == 3
    for name in ("TCP", "Mine"):
        assert len({look[name] for look in looks}) == 1
    assert looks[0]["E2MIM"] == SHIPPED["E2MIM"] == looks[2]["E2MIM"]


def test_many_long_rows_make_a_legend_that_is_no_larger_than_the_panels(tmp_path, write_pair):
    for name in NAMES:
        for alpha in (1, 2):
            config = {"TRAINER": {name.upper(): {"ALPHA": alpha, "CTX_INIT": 9 * "a photo of a "}},
                      "OPTIM": {"LR": alpha / 10}}  # fmt: skip
            write_pair(f"{name}{alpha}", 70 + alpha, 60, trainer=name, config=config)
    figure = base_to_new(make_report(*collect_runs(tmp_path / "runs")), title="T")
    figure.draw_without_rendering()
    (legend,), (axes,) = figure.legends, figure.axes
    texts = [text.get_text() for text in legend.texts]
    assert texts[:2] == ["ZeroshotCLIP a", "ZeroshotCLIP b"] and not any("\n" in x for x in texts)
    assert legend.get_window_extent().height < figure.bbox.height
    assert legend.get_window_extent().width < 1.5 * figure.bbox.width
    key = figure.texts[-1].get_text().replace("\n    ", " ")
    assert "E2MIM a: OPTIM.LR 0.1, ALPHA 1\n" in key and "CTX_INIT" not in key
    texts = [*axes.texts, *legend.texts, axes.title, *figure.texts]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_titles_hold_no_path_of_weights(tmp_path, write_pair):
    path = "/home/someone/weights/ViT-B-16.pt"
    write_pair("a", 80, 60, backbone=path)
    write_pair("b", 81, 60, backbone="C:\\weights\\ViT-B-16.pt", seed=2)
    write_pair("c", 82, 60, backbone="ViT-B/16")
    report = make_report(*collect_runs(tmp_path / "runs"))
    titles = [axes.get_title() for axes in base_to_new(report, title="").axes]
    assert titles == ["PocketShapes (ViT-B-16.pt)", "PocketShapes (ViT-B/16)"]
    assert report.blocks[0].rows[0].seeds == (
        1,
        2,
    )  # the checksum of the weights says that they fit


def test_points_of_several_numbers_of_shots_are_joined(tmp_path, write_result):
    for shots in (1, 2, 4):
        write_result(f"{shots}", accuracy=40 + shots, shots=shots, seconds={"train": 10.0 * shots},
                     config={"SEED": 1})  # fmt: skip
    figure = cost(cost_blocks(collect_runs(tmp_path / "runs")[0])[0], title="Cost")
    (bars,) = figure.axes[0].containers
    assert bars.lines[0].get_xydata().tolist() == [[10, 41], [20, 42], [40, 44]]
    assert [text.get_text() for text in figure.legends[0].texts] == ["CoOp"]
    assert "lines join numbers of shots" in figure.get_suptitle()
    save(figure, io.BytesIO(), suffix="png")


def test_the_axis_of_accuracies_is_widened_around_its_middle():
    axes = Figure().subplots()
    for before in (50.0, 50.4), (20.0, 60.0):
        axes.set_ylim(before)
        widen(axes)
        low, high = axes.get_ylim()
        assert high - low >= MIN_SPAN_PERCENT and low + high == pytest.approx(sum(before))
    assert axes.get_ylim() == (20, 60)


def test_rows_of_one_number_of_shots_stand_around_it(tmp_path, write_result):
    for name in ("CoOp", "KgCoOp"):
        write_result(name, trainer=name, subset="all", dataset="D",
                     trained_on={"dataset": "D", "subset": "all"})  # fmt: skip
    grids = document("few-shot", *collect_runs(tmp_path / "runs"), title="").grids
    (axes,) = few_shot(grids, title="").axes
    places = sorted(float(bars.lines[0].get_xdata()[0]) for bars in axes.containers)
    assert places == pytest.approx([16 * 2**-0.25, 16 * 2**0.25])
