import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.tables.paired_differences import difference, grid

VALUES = st.dictionaries(st.integers(0, 20), st.floats(0, 100), min_size=2, max_size=8)


def test_signed_rank_by_hand():
    first = {1: 10.0, 2: 12.0, 3: 15.0, 4: 11.0, 5: 19.0, 6: 26.0}
    second = {
        key: value - step for (key, value), step in zip(first.items(), range(1, 7), strict=True)
    }
    found = difference(first, second)
    # All six differences have the same sign: p = 2 / 2 ** 6.
    assert (found.mean, found.p, found.count, found.unpaired) == (3.5, 0.03125, 6, 0)
    assert 1 <= found.low < 3.5 < found.high <= 6


def test_equal_differences_have_an_interval_of_no_width():
    found = difference({1: 5.0, 2: 6.0, 3: 9.0}, {1: 4.0, 2: 5.0})
    assert (found.low, found.mean, found.high, found.unpaired) == (1, 1, 1, 1)
    same = difference({1: 5.0, 2: 6.0}, {1: 5.0, 2: 6.0})
    assert (same.mean, same.p) == (0, 1)


def test_fewer_than_two_pairs_say_nothing():
    assert difference({1: 5.0}, {1: 4.0}) is None
    assert grid("T", ("A", "B"), {"Accuracy": {"A": {1: 5.0, 2: 6.0}}}) is None


@given(VALUES, st.floats(-5, 5))
def test_it_is_antisymmetric_and_its_mean_is_inside(values, shift):
    others = {key: value * 0.9 + shift for key, value in values.items()}
    forth, back = difference(values, others), difference(others, values)
    assert forth.mean == pytest.approx(-back.mean) and forth.p == pytest.approx(back.p)
    assert forth.low - 1e-9 <= forth.mean <= forth.high + 1e-9
    assert 0 < forth.p <= 1
