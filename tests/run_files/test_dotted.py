"""Dotted keys: the way there and back, and single values."""

from run_files.dotted import flatten, nested, value_at


def test_flat_and_nested():
    tree = {"A": {"B": {"C": 1}, "D": {}}, "E": [2]}
    assert flatten(tree) == {"A.B.C": 1, "E": [2]}
    assert flatten(tree, keep_empty=True) == {"A.B.C": 1, "A.D": {}, "E": [2]}
    assert nested(flatten(tree, keep_empty=True)) == tree


def test_the_value_at_a_key():
    tree = {"A": {"B": {"C": 1}, "D": {}}}
    assert [value_at(tree, key) for key in ("A.B.C", "A.D", "A.X", "A.B.C.D")] == [
        1,
        {},
        None,
        None,
    ]
