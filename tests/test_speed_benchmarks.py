"""The benchmarks compare what is equal, on class names as they say."""

import pytest
import torch

from benchmarks.measure import Ratio, compare, median_time
from benchmarks.subjects import class_names


def test_ways_that_differ_are_not_timed():
    values = torch.tensor([1.0, 100.0])
    same = compare(lambda: [values], lambda: [values + 1e-4], repeats=1)
    assert same.difference == pytest.approx(1e-6, rel=0.5)
    with pytest.raises(AssertionError, match="differs from the reference by 9.9e-03"):
        compare(lambda: [values], lambda: [values + 1], repeats=1)


def test_speedup_is_the_references_time_over_ours():
    assert Ratio(2.0, 50.0, 0, 0, 0).speedup == 25
    assert median_time(lambda: [], repeats=1).speedup is None


@pytest.mark.parametrize("count", [10, 100, 10_000])
def test_class_names_differ_and_have_one_to_three_words(count):
    names = class_names(count)
    assert len(set(names)) == count
    assert all(1 <= len(part.split()) <= 3 for name in names for part in name.split(" and "))
