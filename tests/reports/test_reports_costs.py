import pytest

from reports.figures.cost import cost
from reports.runs.collect import collect_runs
from reports.tables.costs import cost_blocks, document


@pytest.fixture
def runs(tmp_path, write_result):
    for seed, sec in ((1, 10.0), (2, 20.0)):
        write_result(
            f"c{seed}", accuracy=70 + 10 * seed, seed=seed, step_sec=sec / 100,
            seconds={"train": sec, "test": 1}, peak_memory_bytes=seed * 10**9,
        )  # fmt: skip
    write_result("k", accuracy=60, trainer="KgCoOp", step_sec=0.3)
    write_result("gpu", accuracy=75, device="H100")
    write_result("z", accuracy=50, trainer="ZeroshotCLIP", trained_parameters=0, step_sec=None)
    return collect_runs(tmp_path / "runs")[0]


def test_costs_by_hand(runs):
    made = document(runs, title="Cost")
    ours, other = made.grids
    assert [row.label for row in ours.rows] == ["CoOp"] and "H100" in ours.title
    assert [row.label for row in other.rows] == ["CoOp", "KgCoOp"]
    cells = other.rows[0].entries
    assert (cells[0].value, cells[0].std, cells[0].seeds) == (85, 5, (1, 2))
    assert cells[1:] == ("2,048", "0.1500", "15.0", "2,000", "2")


def test_published_costs_are_a_table_of_their_own(runs):
    *_, table = document(runs, title="Cost", beside="KgCoOp").grids
    assert {row.facts["trainer"] for row in table.rows} == {"KgCoOp"} and len(table.rows) == 5
    assert table.rows[0].entries[2] == "6 ms/image"
    with pytest.raises(ValueError, match="no published cost result of 'E2MIM'"):
        document(runs, title="Cost", beside="E2MIM")


def test_the_figure_has_seconds_and_memory(runs):
    blocks, _ = cost_blocks(runs)
    figure = cost(blocks, title="Cost")
    assert [axes.get_xlabel() for axes in figure.axes] == 2 * ["seconds of training", "memory (MB)"]
    seconds, memory = figure.axes[2:]
    points = [bars.lines[0].get_xydata()[0].tolist() for bars in seconds.containers]
    assert points == [[15.0, 85.0], [12.3, 60.0]]
    assert memory.containers[0].lines[0].get_xydata()[0].tolist() == [2000.0, 85.0]


def test_rows_of_several_shots_say_them_and_their_lines_do_not(tmp_path, write_result):
    for shots in (4, 16):
        write_result(f"s{shots}", subset="all", shots=shots)
    for alpha in (1, 2):
        config = {"TRAINER": {"A_LONG_SETTING": alpha}}
        write_result(f"b{alpha}", shots=16, config=config)
    blocks, left = cost_blocks(collect_runs(tmp_path / "runs")[0])
    assert left == []
    every, base = ([(row.label.text, row.line.text) for row in block.rows] for block in blocks)
    assert every == [("CoOp (4 shots)", "CoOp a"), ("CoOp (16 shots)", "CoOp a")]
    assert base == [("CoOp b", "CoOp b"), ("CoOp c", "CoOp c")]  # as in the figure
    assert blocks[0].key == (("CoOp", "A_LONG_SETTING absent"),)
