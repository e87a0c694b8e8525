"""Names of rows: the trainer, and where two of its rows must be told apart a letter with a key."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reports.runs.run import Method

SHORT = 14  # letters of what may stand in a name itself
MANY_SETTINGS = 8  # of more differences the first are named
RECIPE = "recipe "
ABSENT = {"DATASET.TEMPLATE": "the data set's"}  # what it means that a key is not there
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Label:
    """What a row is called.

    Attributes:
        text: the name.
        variant: which of its trainer's rows it is, from 0: decides how its marker is filled.
        shots: how many, if that is one of the things that tell it from these; or "".
        details: all else that does, in full; "" if nothing does.
    """

    text: str
    trainer: str
    variant: int = 0
    shots: str = ""
    details: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it is the trainer's bare name."""
        return self.text == self.trainer

    @property
    def says_all(self) -> bool:
        """Whether the name needs no key."""
        return self.text.startswith(f"{self.trainer} (")

    @property
    def key(self) -> str:
        """What the key says of it; "" if the name, or a title or column with the shots, does."""
        shots = "" if self.is_plain else self.shots
        return "" if self.says_all else ", ".join(filter(None, (shots, self.details)))

    def with_shots(self, count: int) -> Label:
        """With the number of shots behind the name."""
        if self.says_all:
            return replace(self, text=f"{self.text[:-1]}, {plural_shots(count)})")
        return replace(self, text=f"{self.text} ({plural_shots(count)})")


def labels(methods: Iterable[Method]) -> dict[Method, Label]:
    """A label for each method, in the order of rows."""
    by_trainer: dict[str, list[Method]] = defaultdict(list)
    for method in sorted(set(methods)):
        by_trainer[method.trainer].append(method)
    return {
        method: label
        for trainer, siblings in sorted(by_trainer.items(), key=lambda item: trainer_order(item[0]))
        for method, label in _of_one_trainer(trainer, siblings).items()
    }


def within(names: Mapping[Method, Label], methods: Iterable[Method]) -> dict[Method, Label]:
    """The labels in a table or figure of these methods alone, where all are called `names`.

    A name is bare if there is no other of its trainer; else it is the one that all tables share.
    """
    shown = set(methods)
    count = Counter(method.trainer for method in shown)
    return {
        method: label
        if count[method.trainer] > 1
        else replace(label, text=label.trainer, variant=0)
        for method, label in names.items()
        if method in shown
    }


def keys(names: Iterable[Label]) -> tuple[tuple[str, str], ...]:
    """What stands below a table: (name, what it stands for)."""
    return tuple(dict.fromkeys((label.text, label.key) for label in names if label.key))


def row_facts(label: Label, recipe: str) -> dict[str, object]:
    """What a CSV says of a row: who it is, and what tells it from its trainer's other rows."""
    facts: dict[str, object] = {"trainer": label.trainer, "recipe": recipe}
    return facts | ({"details": label.details} if label.details else {})


def method_facts(label: Label, method: Method, recipe: str) -> dict[str, object]:
    """As `row_facts`, of a row that is one method."""
    return row_facts(label, recipe) | {"shots": method.shots, "commit": method.commit}


def _of_one_trainer(trainer: str, siblings: list[Method]) -> dict[Method, Label]:
    if len(siblings) == 1:
        return {siblings[0]: Label(trainer, trainer)}
    several_shots = len({method.shots for method in siblings}) > 1
    found = {}
    for index, method in enumerate(siblings):
        shots = plural_shots(method.shots) if several_shots else ""
        details = ", ".join(_details(method, siblings))
        text = f"{trainer} {_letters(index)}"
        found[method] = Label(text, trainer, index, shots, details)
    short = {method: ", ".join(filter(None, (x.shots, x.details.removeprefix(RECIPE))))
             for method, x in found.items()}  # fmt: skip
    if max(map(len, short.values())) <= SHORT:
        found = {
            method: replace(label, text=f"{trainer} ({short[method]})")
            for method, label in found.items()
        }
    return found


def _letters(index: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    rest, last = divmod(index, len(ALPHABET))
    return (_letters(rest - 1) if rest else "") + ALPHABET[last]


def _details(method: Method, siblings: list[Method]) -> list[str]:
    def differs(name: str, among: list[Method]) -> bool:
        return len({getattr(other, name) for other in among}) > 1

    details = []
    if differs("recipe", siblings):
        details.append(RECIPE + method.recipe if method.recipe else "no recipe")
    # Another recipe has other settings, and its name says so.
    alike = [x for x in siblings if (x.recipe, x.shots) == (method.recipe, method.shots)]
    details += _settings(method, alike) if differs("settings", alike) else []
    details += [f"commit {method.commit or 'unknown'}"] if differs("commit", alike) else []
    return details


def _settings(method: Method, siblings: list[Method]) -> list[str]:
    every = [dict(other.settings) for other in siblings]
    own = dict(method.settings)
    keys = sorted({key for settings in every for key in settings})
    keys = [key for key in keys if len({settings.get(key) for settings in every}) > 1]
    words = [f"{_short(key, method.trainer)} {own.get(key, ABSENT.get(key, 'absent'))}"
             for key in keys]  # fmt: skip
    if len(words) > MANY_SETTINGS:
        digest = hashlib.sha256(repr(method.settings).encode()).hexdigest()[:6]
        words[MANY_SETTINGS:] = [f"{len(words) - MANY_SETTINGS} more: {digest}"]
    return words


def _short(key: str, trainer: str) -> str:
    return key.removeprefix("TRAINER.").removeprefix(f"{trainer.upper()}.")


def plural_shots(count: int) -> str:
    """1 shot, 2 shots; all images where the number is not limited (-1)."""
    return "all images" if count < 1 else f"{count} shot{'s' * (count > 1)}"


def trainer_order(name: str) -> tuple[int, str, str]:
    """A key to sort by: zero-shot first, then CoOp, then the others by name."""
    trainer = name.split(" ")[0]
    zero_shot = trainer.startswith("Zeroshot") or trainer == "CLIP"
    rank = 0 if zero_shot else 1 if trainer == "CoOp" else 2
    return rank, name.lower(), name
