"""Class names that are the same words to CLIP."""

import pytest

from datasets.wordnet import read_classnames
from promptkit.backbones.tokens import same_words, warning_of_same_words


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["Cat", "dog", "cat"], [["Cat", "cat"]]),
        (["a cat", "a_cat", "a  cat ", "acat"], [["a cat", "a_cat", "a  cat "]]),
        (["cat", "cat"], [["cat", "cat"]]),
        (["cat", "cats", "Kühe", "kühe"], [["Kühe", "kühe"]]),
        (["cat", "dog"], []),
        ([], []),
    ],
)
def test_groups_of_the_same_words(names, groups):
    assert same_words(names) == groups


def test_imagenet_repeats_three_names():
    names = list(read_classnames("").values())
    pairs = [["crane", "crane"], ["Cardigan", "cardigan"], ["maillot", "maillot"]]
    assert same_words(names) == pairs
    warning = warning_of_same_words(names)
    assert "CLIP: 'crane' = 'crane'; 'Cardigan' = 'cardigan'; 'maillot' = 'maillot'. Of" in warning


def test_a_long_warning_is_cut():
    names = [f"{letter}{case}" for letter in "abcdefg" for case in ("x", "X")]
    assert "'ax' = 'aX'" in (warning := warning_of_same_words(names))
    assert "'ex' = 'eX'; and 2 more." in warning and "'fx'" not in warning
    assert warning_of_same_words(["a", "b"]) == ""
