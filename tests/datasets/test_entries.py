"""One table of labels and names: every split of every list is held against it."""

import json

import pytest

from datasets.check import check
from datasets.entries import check_classes


def entries(train=(), val=(), test=()):
    return {"train": list(train), "val": list(val), "test": list(test)}


CAT, DOG = ("a.png", 0, "cat"), ("b.png", 1, "dog")


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (
            entries([CAT, DOG], test=[("c.png", 1, "cat"), ("d.png", 0, "dog")]),
            r"label 1 is 'dog' in train \(b.png\) and 'cat' in test \(c.png\)",
        ),
        (
            entries([CAT, DOG], val=[("c.png", 0, "Cat")]),
            r"label 0 is 'cat' in train \(a.png\) and 'Cat' in val \(c.png\)",
        ),
        (
            entries([CAT, ("c.png", 0, "dog")]),
            r"label 0 is 'cat' in train \(a.png\) and 'dog' in train \(c.png\)",
        ),
        (
            entries([CAT, DOG], test=[CAT, ("e.png", 2, "bird")]),
            r"label 2, 'bird', of test \(e.png\) has no image in train, which has 2 classes",
        ),
        (
            entries([CAT, DOG], test=[CAT, ("e.png", 2, " Dog")]),
            r"label 2, ' Dog', of .* correct the label, or the name: 'dog' is there\.",
        ),
        (
            entries([CAT], val=[DOG], test=[DOG]),
            r"label 1, 'dog', of val \(b.png\) has no image in train, which has 1 classes",
        ),
        (entries(test=[CAT, ("c.png", 0, "dog")]), "label 0 is 'cat' in test"),
    ],
)
def test_splits_that_disagree_are_refused(lists, message):
    with pytest.raises(ValueError, match=message) as error:
        check_classes(lists, named_by="split.json")
    assert str(error.value).startswith("split.json: ")


@pytest.mark.parametrize(
    "lists",
    [
        entries([CAT, DOG], val=[DOG], test=[CAT]),  # parts may lack classes
        entries([CAT, ("c.png", 1, "cat")], test=[("d.png", 1, "cat")]),  # as ImageNet's crane
        entries(test=[CAT, DOG]),  # a test set
        entries(),
    ],
)
def test_splits_that_agree(lists):
    check_classes(lists, named_by="split.json")


def test_the_check_of_data_sets_tells_it_too(tmp_path):
    (tmp_path / "dtd").mkdir()
    content = entries([CAT, DOG], test=[("c.png", 1, "cat")])
    path = tmp_path / "dtd/split_zhou_DescribableTextures.json"
    path.write_text(json.dumps(content))
    finding = check("dtd", str(tmp_path))
    assert finding.state == "incomplete"
    assert finding.remarks == (
        "dtd: label 1 is 'dog' in train (b.png) and 'cat' in test (c.png). Give each label one "
        "name, the same everywhere.",
    )
