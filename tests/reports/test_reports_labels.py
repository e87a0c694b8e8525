"""Rows carry the trainer's bare name unless two of one table must be told apart."""

from reports.layout.labels import keys, labels, within
from reports.layout.rows import rows_of
from reports.runs.run import Method


def texts(found):
    return [label.text for label in found.values()]


def test_a_trainer_with_one_row_is_called_by_its_name():
    found = labels([Method("E2MIM", "long_name_of_a_recipe", 16, (("A", "1"),), "abc")])
    assert texts(found) == ["E2MIM"] and keys(found.values()) == ()


def test_what_is_short_stands_in_the_name_and_what_is_long_in_the_key():
    short = [Method("TCP", "r", 16, (("TRAINER.TCP.W", "1.0"),)), Method("TCP", "r", 16)]
    assert texts(labels(short)) == ["TCP (W absent)", "TCP (W 1.0)"]
    long = [Method("TCP", "r", 16, (("TRAINER.TCP.WEIGHT", "1.0"), ("A", x))) for x in "12"]
    long.append(Method("TCP", "other_recipe", 4))
    found = labels(long)
    assert texts(found) == ["TCP a", "TCP b", "TCP c"]
    assert keys(found.values()) == (
        ("TCP a", "4 shots, recipe other_recipe"),
        ("TCP b", "16 shots, recipe r, A 1"),
        ("TCP c", "16 shots, recipe r, A 2"),
    )
    assert [label.variant for label in found.values()] == [0, 1, 2]


def test_another_table_does_not_lengthen_a_name():
    first, second, other = (
        Method("TCP", x) for x in ("the_first_recipe", "the_second_recipe", "x")
    )
    found = labels([first, second, other, Method("CoOp")])
    alone = within(found, [second, Method("CoOp")])
    assert texts(alone) == ["CoOp", "TCP"] and alone[second].variant == 0
    # Which of its rows it is, the key says: elsewhere there is another.
    assert keys(alone.values()) == (("TCP", "recipe the_second_recipe"),)
    assert texts(within(found, [first, second])) == ["TCP a", "TCP b"]


def test_letters_go_on_behind_z():
    many = labels(Method("TCP", f"a recipe, the {number:03}th") for number in range(28))
    assert texts(many)[:2] + texts(many)[25:] == ["TCP a", "TCP b", "TCP z", "TCP aa", "TCP ab"]


def test_recipes_that_never_meet_share_a_row():
    short, long = Method("TCP", "ep25", 16, (("E", "25"),)), Method("TCP", "ep50", 16)
    rows = rows_of([("ImageNet", short), ("DTD", long), ("EuroSAT", long)])
    assert rows[short] == rows[long] == Method("TCP", "", 16)
    assert rows_of([("ImageNet", short)]) == {short: short}
    apart = rows_of([("ImageNet", short), ("ImageNet", long), ("DTD", long)])
    assert apart == {short: short, long: long}
    # One recipe with two settings is no author's choice.
    mine = Method("TCP", "ep25", 16, (("E", "26"),))
    assert rows_of([("A", short), ("B", mine)]) == {short: short, mine: mine}
