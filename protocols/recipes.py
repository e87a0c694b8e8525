"""Which recipe a run takes: the one that is named, or the one for its data set and shots.

A recipe says in its header what it is the default for: `# Default for: few_shot`, or, before that
one, `# Default for: few_shot imagenet 1-shot` for these data sets and numbers of shots.
"""

import re
from functools import cache

from protocols.places import PROJECT, TRAINERS, names_in

LINE = re.compile(r"^# Default for: (.+)$", re.M)
DRAWN = ("woven", "pocket")  # beginnings of data sets that have a recipe each
BACKBONE = re.compile(r"^  BACKBONE:\n    NAME: *[\"']?([^\"'#\n]+)", re.M)


@cache
def text_of(trainer: str, recipe: str) -> str:
    """The content of a recipe."""
    return (PROJECT / TRAINERS / trainer / f"{recipe}.yaml").read_text()


@cache
def defaults_of(trainer: str) -> dict[str, tuple[str, ...]]:
    """By recipe what it says that it is the default for."""
    recipes = names_in(f"{TRAINERS}/{trainer}")
    return {recipe: tuple(LINE.findall(text_of(trainer, recipe))) for recipe in recipes}


def recipe_for(
    trainer: str, protocol: str, dataset: str, shots: int, *, named: str = "", strict: bool = False
) -> str:
    """The recipe of a run.

    Args:
        trainer: the method.
        protocol: what is done with it.
        dataset: that it is trained on.
        shots: images a class.
        named: the recipe that the user named; "" for none.
        strict: one for all data sets and shots.

    Raises:
        ValueError: there is none for it, or more than one.
    """
    drawn = dataset.partition("_")[0]
    if named:
        return named
    if drawn in DRAWN and dataset != drawn and drawn in defaults_of(trainer):
        return drawn
    for word in () if strict else (dataset, f"{shots}-shot"):
        if found := _with(trainer, protocol, word):
            return _one(found, trainer, protocol, word)
    if found := _with(trainer, protocol, ""):
        return _one(found, trainer, protocol, "all data sets")
    raise ValueError(
        f"{trainer} has no published recipe for {protocol}, {dataset}, {shots} shots; name one of: "
        f"{' '.join(names_in(f'{TRAINERS}/{trainer}'))}"
    )


def _with(trainer: str, protocol: str, word: str) -> list[str]:
    """Recipes with a line for a protocol that names a word, or for "" one that names none."""
    found = []
    for recipe, lines in defaults_of(trainer).items():
        for name, *words in map(str.split, lines):
            if name == protocol and (word in words if word else not words):
                found.append(recipe)
    return found


def _one(found: list[str], trainer: str, protocol: str, word: str) -> str:
    if len(found) > 1:
        raise ValueError(
            f"{trainer} has several recipes for {protocol}, {word}: {' '.join(found)}; name one"
        )
    return found[0]


def value_in(trainer: str, recipe: str, key: str) -> str:
    """The value of a key in a recipe, by the last part of its name; "" for none."""
    found = re.search(rf"^ *{key}: *\"?([^\" #\n]*)", text_of(trainer, recipe), re.M)
    return found[1] if found else ""


def backbone_in(trainer: str, recipe: str) -> str:
    """The backbone that a recipe names; "" where it names none."""
    found = BACKBONE.search(text_of(trainer, recipe))
    return found[1].strip() if found else ""
