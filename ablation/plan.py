"""The protocol: which cells choose, which describe, which are tested."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ablation.candidates import (
    CHOICES,
    CONTROL,
    OVER_TCP,
    PUBLISHED,
    STRESSED,
    TRUSTED,
    VARIED,
    ZERO_SHOT,
    Candidate,
)
from ablation.data import Place
from ablation.runs import Cell
from woven.datasets import FOLDERS

CHOOSING_SETS = ("dtd", "oxford_flowers", "ucf101", "eurosat", "stanford_cars")
VARIED_SETS = ("dtd", "oxford_flowers", "eurosat")
TEST_SETS = tuple(FOLDERS.values())
STRESSED_SETS = ("grounds", "duos", "neighbours", "marks")  # all but the first are misread
CHOOSING_SEEDS, VARIED_SEEDS = (12, 13), (12,)
TEST_SEEDS = (4, 5, 6)


def with_hm(accuracies: np.ndarray) -> np.ndarray:
    """Base and new [..., 2] to base, new and their harmonic mean [..., 3], 0 where both are."""
    base, new = accuracies[..., 0], accuracies[..., 1]
    return np.stack([base, new, 2 * base * new / np.maximum(base + new, 1e-9)], axis=-1)


class Plan:
    """The cells of each part.

    Args:
        root: of the data sets.
        work: where results are.
    """

    def __init__(self, root: Path, work: Path) -> None:
        self.root, self.work = root, work

    def cells(
        self, stage: str, bench: str, folders: Iterable[str], candidates: Iterable[Candidate],
        seeds: Iterable[int],
    ) -> Iterator[Cell]:  # fmt: skip
        """Every candidate with every seed on every set, set by set."""
        candidates = tuple(candidates)
        for folder in folders:
            place = Place(stage, f"{bench}_{folder}", self.root, self.work)
            yield from (Cell(place, each, seed) for seed in seeds for each in candidates)

    def choosing(self) -> Iterator[Cell]:
        """All choices of all methods, on base classes of the choosing sets."""
        every = (ZERO_SHOT, *(one for some in CHOICES.values() for one in some), TRUSTED)
        return self.cells("choose", "woven", CHOOSING_SETS, every, CHOOSING_SEEDS)

    def varied(self) -> Iterator[Cell]:
        """E2MIM with one thing changed, on base classes of three of these."""
        every = (CHOICES["E2MIM"][0], *VARIED)
        return self.cells("choose", "woven", VARIED_SETS, every, VARIED_SEEDS)

    def over_tcp(self) -> Iterator[Cell]:
        """E2MIM's terms over TCP, on base classes of the choosing sets."""
        return self.cells("choose", "woven", CHOOSING_SETS, OVER_TCP, VARIED_SEEDS)

    def stressed(self) -> Iterator[Cell]:
        """Trust and choice of views, on base classes of the pocket sets."""
        return self.cells("choose", "pocket", STRESSED_SETS, STRESSED, VARIED_SEEDS)

    def tested(self) -> Iterator[Cell]:
        """What was chosen, and every published or default setting, on all classes' test images."""
        return self.cells("test", "woven", TEST_SETS, self.contestants(), TEST_SEEDS)

    def contestants(self) -> tuple[Candidate, ...]:
        """Zero-shot, what was chosen of every method, then what was published and the default."""
        chosen = [self.chosen(method) for method in CHOICES]
        fixed = [CHOICES["E2MIM"][0], *(self.published(method) for method in PUBLISHED)]
        fixed.append(CONTROL)
        return tuple(dict.fromkeys((ZERO_SHOT, *chosen, *fixed)))

    def published(self, method: str) -> Candidate:
        """A method's published setting."""
        return next(each for each in CHOICES[method] if each.label == PUBLISHED[method])

    def chosen(self, method: str) -> Candidate:
        """The choice of a method with the largest mean HM over the choosing sets."""
        means = {
            each: self.accuracies("choose", "woven", CHOOSING_SETS, each, CHOOSING_SEEDS)
            for each in CHOICES[method]
        }
        return max(means, key=lambda each: with_hm(means[each])[..., 2].mean())

    def accuracies(
        self, stage: str, bench: str, folders: Iterable[str], candidate: Candidate,
        seeds: Iterable[int],
    ) -> np.ndarray:  # fmt: skip
        """Base and new [sets, seeds, 2], percent."""
        found = self.results(stage, bench, folders, candidate, seeds)
        return np.array(
            [[[r["base"]["accuracy"], r["new"]["accuracy"]] for r in row] for row in found]
        )

    def results(
        self, stage: str, bench: str, folders: Iterable[str], candidate: Candidate,
        seeds: Iterable[int],
    ) -> list[list[dict]]:  # fmt: skip
        """The results of one candidate, by set and seed; zero-shot's first seed stands for all.

        Raises:
            FileNotFoundError: one is missing.
        """
        seeds = [seeds[0] if candidate == ZERO_SHOT else seed for seed in seeds]
        rows = []
        for folder in folders:
            place = Place(stage, f"{bench}_{folder}", self.root, self.work)
            paths = [Cell(place, candidate, seed).path for seed in seeds]
            rows.append([json.loads(path.read_text()) for path in paths])
        return rows
