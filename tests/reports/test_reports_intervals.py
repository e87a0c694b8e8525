"""Intervals over seeds: by hand, and only where there are seeds enough."""

import numpy as np
import pytest
from scipy import stats

from reports.__main__ import main
from reports.layout.grid import Cell, Document, Grid, Row
from reports.layout.intervals import half_width, with_intervals
from reports.tables.comparisons import against_published


def test_by_hand():
    """Of 1, 2, 3, 4, 5: sample deviation sqrt(2.5), t of four degrees 2.7764."""
    assert half_width(np.std([1, 2, 3, 4, 5]), 5) == pytest.approx(
        2.7764 * (2.5 / 5) ** 0.5, rel=1e-4
    )


def test_it_is_scipys_of_the_values():
    values = np.random.default_rng(0).normal(size=9)
    low, high = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    assert half_width(values.std(), 9) == pytest.approx((high - low) / 2)


def test_numbers_of_few_seeds_have_none_and_are_counted():
    cells = Cell(1.0, 0.5, (1, 2, 3)), Cell(2.0, 0.5, (1, 2, 3, 4, 5)), Cell(3.0, None), "words"
    grid = Grid("T", ("a", "b", "c", "d"), (Row("CoOp", cells),))
    note = "mean \u00b1 population standard deviation over seeds"
    found = with_intervals(Document("T", (grid,), (note,)))
    entries = found.grids[0].rows[0].entries
    assert [getattr(entry, "std", None) for entry in entries] == [
        None, pytest.approx(half_width(0.5, 5)), None, None,
    ]  # fmt: skip
    assert found.notes == (
        "mean \u00b1 95 % interval of the mean over seeds (Student's t)",
        "1 number(s) of fewer than 5 seeds have no interval.",
    )


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_table_with_them(tmp_path, write_pair, capsys, seeds):
    for seed in range(seeds):
        write_pair(str(seed), 50.0 + seed, 60.0, seed=seed)
    assert main(["base2new", "--output", str(tmp_path / "runs"), "--intervals"]) == 0
    text = capsys.readouterr().out
    assert "population standard deviation" not in text and "95 % interval" in text
    width = half_width(np.std(np.arange(5)), 5)
    assert (f"\u00b1 {width:.2f}" in text) == (seeds == 5)
    assert ("fewer than 5 seeds" in text) == (seeds == 3)


def test_ours_against_published_has_them_as_well():
    ours = Row("CoOp", (Cell(80.0, 1.0, (1, 2, 3, 4, 5)),), {"trainer": "CoOp", "shots": 16})
    theirs = Row("CoOp \u2020", (Cell(82.0),), {"trainer": "CoOp", "shots": 16, "source": "paper"})
    compared = against_published(Grid("D", ("Base",), (ours, theirs)), ["Base"])
    (row,) = with_intervals(Document("", (compared,))).grids[0].rows
    assert row.entries[0].std == pytest.approx(half_width(1.0, 5)) and row.entries[1].value == 82
