"""The benchmarks measure what they say, and refuse ways that disagree."""

import json

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.measure import compare
from benchmarks.subjects import class_names


def test_ways_that_disagree_are_refused():
    right = torch.tensor([1.0, 2.0])
    ratio = compare(lambda: [right], lambda: [right + 1e-6], repeats=2)
    assert ratio.difference == pytest.approx(5e-7, rel=0.3) and ratio.speedup > 0
    with pytest.raises(AssertionError, match=r"differs from the reference by 5.0e-03"):
        compare(lambda: [right], lambda: [right * torch.tensor([1.01, 1.0])], repeats=1)
    with pytest.raises(ValueError):  # one gives more
        compare(lambda: [right], lambda: [right, right], repeats=1)


@pytest.mark.parametrize("count", [3, 10, 100, 1000])
def test_class_names_are_different_and_of_one_to_three_words(count):
    names = class_names(count)
    assert len(names) == len(set(names)) == count
    assert {len(name.split()) for name in names} == {1, 2, 3}


def test_every_case_is_equal_to_its_reference_on_pocket(tmp_path, capsys):
    assert main(["--model", "Pocket", "--classes", "6", "--repeats", "1",
                 "--json", str(tmp_path / "x.json")]) == 0  # fmt: skip
    rows = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert len(rows) == 9 and all(row["difference"] < 1e-4 for row in rows)
    table = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in table[2:11]] == [row["what"] for row in rows]
