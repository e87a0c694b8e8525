import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.tables import paired_differences
from reports.tables.paired_differences import difference, grid, over_data_sets

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


def by_sets(*differences: tuple[float, ...]) -> tuple[dict, dict]:
    """Two methods that differ by these on each data set's seeds."""
    second = {
        (f"D{i}", seed): 50.0 for i, own in enumerate(differences) for seed in range(len(own))
    }
    first = {key: 50.0 + differences[int(key[0][1:])][key[1]] for key in second}
    return first, second


def test_over_data_sets_by_hand():
    """Means 1, 2 and 3 over seeds: of eight signs two are as far from zero, all plus, all minus."""
    found = over_data_sets(*by_sets((0.0, 2.0), (2.0,), (3.0, 3.0, 3.0)))
    assert (found.mean, found.count, found.p) == (2.0, 3, 2 / 8)
    reach = 4.302652729911275 / 3**0.5  # Student's 97.5 % quantile with two degrees of freedom
    assert (found.low, found.high) == pytest.approx((2 - reach, 2 + reach))


def test_seeds_of_one_data_set_do_not_make_it_surer():
    few, many = (over_data_sets(*by_sets((1.0,) * n, (3.0,) * n)) for n in (1, 50))
    assert few == many and few.p == 0.5
    first, second = by_sets((1.0,) * 50, (3.0,) * 50)
    assert difference(first, second).p < 1e-6


def test_alike_on_all_and_on_one_data_set():
    assert over_data_sets(*by_sets((0.0,), (0.0,))).p == 1
    assert over_data_sets(*by_sets((1.0, 2.0))) is None


def test_many_data_sets_are_tried_at_random_and_agree_with_all_signs(monkeypatch):
    differences = by_sets(*((x,) for x in (1.0, 2.5, -0.5, 1.5, 0.3, 2.0, -1.0, 0.8)))
    exact = over_data_sets(*differences)
    monkeypatch.setattr(paired_differences, "EXACT", 4)
    found = over_data_sets(*differences)
    assert found.p == pytest.approx(exact.p, abs=0.005) and found.p > 0


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=6))
def test_the_sign_flip_test_is_symmetric_and_never_zero(differences):
    first, second = by_sets(*differences)
    forth, back = over_data_sets(first, second), over_data_sets(second, first)
    assert forth.p == pytest.approx(back.p) and 2 / 2 ** len(differences) <= forth.p <= 1
    assert forth.low <= forth.mean <= forth.high


def test_the_table_has_both_and_few_shots_none_over_data_sets():
    first, second = by_sets((1.0, 2.0), (3.0,))
    values = {"New": {"A": first, "B": second}}
    (row,) = grid("T", ("A", "B"), values).rows
    assert (
        row.entries[0] == "+2.00"
        and row.entries[3:6] == ("3", "2", "+2.25")
        and row.entries[7] == "0.5"
    )
    (row,) = grid("T", ("A", "B"), values, by_data_set=False).rows
    assert len(row.entries) == 4
