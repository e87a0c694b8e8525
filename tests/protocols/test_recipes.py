"""The rules by which a recipe is chosen, on recipes that are made up."""

import pytest

from protocols import recipes

HEADERS = {
    "general": "# Default for: few_shot\n# Default for: base2new\n",
    "of_dtd": "# Default for: few_shot dtd 1-shot\n",
    "of_few": "# Default for: few_shot 2-shot 4-shot\n",
    "unnamed": "# What it is.\n",
    "woven": "",
}


@pytest.fixture(autouse=True)
def _made_up(monkeypatch):
    found = {name: tuple(recipes.LINE.findall(text)) for name, text in HEADERS.items()}
    monkeypatch.setattr(recipes, "defaults_of", lambda trainer: found)


@pytest.mark.parametrize(
    ("dataset", "shots", "recipe"),
    [("dtd", 16, "of_dtd"), ("dtd", 2, "of_dtd"), ("sun397", 1, "of_dtd"), ("sun397", 2, "of_few"),
     ("sun397", 4, "of_few"), ("sun397", 16, "general"), ("woven_dtd", 16, "woven"),
     ("woven", 16, "general"), ("pocket_sizes", 16, "general"), ("dtd2", 16, "general")],
)  # fmt: skip
def test_a_recipe_for_the_data_set_goes_before_one_for_the_shots_before_the_general_one(
    dataset, shots, recipe
):
    assert recipes.recipe_for("X", "few_shot", dataset, shots) == recipe


def test_one_that_is_named_goes_before_all_and_strict_takes_the_general_one():
    assert recipes.recipe_for("X", "few_shot", "woven_dtd", 1, named="unnamed") == "unnamed"
    assert recipes.recipe_for("X", "few_shot", "dtd", 1, strict=True) == "general"
    assert recipes.recipe_for("X", "base2new", "dtd", 1) == "general"


def test_none_and_two_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="no published recipe for cross_dataset, dtd, 16 shots"):
        recipes.recipe_for("CoOp", "cross_dataset", "dtd", 16)
    monkeypatch.setitem(HEADERS, "other", HEADERS["general"])
    found = {name: tuple(recipes.LINE.findall(text)) for name, text in HEADERS.items()}
    monkeypatch.setattr(recipes, "defaults_of", lambda trainer: found)
    with pytest.raises(ValueError, match="several recipes for base2new, all .*: general other"):
        recipes.recipe_for("X", "base2new", "dtd", 16)
