"""Tables of docs/e2mim.md."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.stats import spearmanr
from tabulate import tabulate

from ablation.candidates import (
    CHOICES,
    CONTROL,
    OVER_TCP,
    STRESSED,
    TRUSTED,
    VARIED,
    ZERO_SHOT,
    Candidate,
)
from ablation.plan import (
    CHOOSING_SEEDS,
    CHOOSING_SETS,
    STRESSED_SETS,
    TEST_SEEDS,
    TEST_SETS,
    VARIED_SEEDS,
    VARIED_SETS,
    Plan,
    with_hm,
)
from reports.tables.paired_differences import OverDataSets, over_data_sets

HALVES = ("base", "new")
LEFT_OUT = ("E2MIM", "LASP-like")  # of the table by set
DEFAULT = CHOICES["E2MIM"][0]


def markdown(rows: Iterable[Sequence[str]], heads: Sequence[str]) -> str:
    """A table."""
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True)


def numbers(values: np.ndarray) -> list[str]:
    """Base, new and HM of accuracies [sets, seeds, 2]; HM is the mean of each training's."""
    return [f"{mean:.2f}" for mean in with_hm(values).mean((0, 1))]


def intervals(first: np.ndarray, second: np.ndarray) -> tuple[OverDataSets, OverDataSets]:
    """First minus second [sets, seeds]: over seeds of the mean over sets, and over sets."""
    by_set, by_seed = ({}, {}), ({}, {})
    for k, values in enumerate((first, second)):
        for (d, s), value in np.ndenumerate(values):
            by_set[k][str(d), s] = value
            by_seed[k][str(s), d] = value
    return over_data_sets(*by_seed), over_data_sets(*by_set)


def spread(found: OverDataSets) -> str:
    """Bounds of an interval."""
    return f"[{found.low:+.2f}, {found.high:+.2f}]"


class Tables:
    """Everything that the page prints, of a plan whose cells are finished."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def _choosing(self, candidate: Candidate, seeds=CHOOSING_SEEDS) -> np.ndarray:
        return self.plan.accuracies("choose", "woven", CHOOSING_SETS, candidate, seeds)

    def _tested(self, candidate: Candidate) -> np.ndarray:
        return self.plan.accuracies("test", "woven", TEST_SETS, candidate, TEST_SEEDS)

    def choices(self) -> str:
        """Every choice of every method on held-out base classes; the chosen ones in bold."""
        rows = [[ZERO_SHOT.name, *numbers(self._choosing(ZERO_SHOT))]]
        for method, candidates in CHOICES.items():
            best = self.plan.chosen(method)
            for each in candidates:
                row = [each.name, *numbers(self._choosing(each))]
                rows.append([f"**{cell}**" for cell in row] if each == best else row)
        rows.append([f"{TRUSTED.name} (no choice)", *numbers(self._choosing(TRUSTED))])
        return markdown(rows, ["setting", "base", "pseudo-new", "HM"])

    def contest(self) -> str:
        """Test accuracies, and by how much the chosen E2MIM differs from each."""
        ours = self.plan.chosen("E2MIM")
        reference, rows = with_hm(self._tested(ours))[..., 2], []
        unseen = np.array([name not in CHOOSING_SETS for name in TEST_SETS])
        for each in self.plan.contestants():
            values = with_hm(self._tested(each))
            means, stds = values.mean((0, 1)), values.mean(0).std(0)
            row = [
                each.name,
                *(f"{m:.2f} \u00b1 {s:.2f}" for m, s in zip(means, stds, strict=True)),
            ]
            if each == ours:
                row = [f"**{row[0]}**", *row[1:], "", "", "", ""]
            else:
                over_seeds, over_sets = intervals(reference, values[..., 2])
                _, elsewhere = intervals(reference[unseen], values[unseen][..., 2])
                row += [f"{over_seeds.mean:+.2f}", spread(over_seeds), spread(over_sets)]
                row.append(f"{elsewhere.mean:+.2f} {spread(elsewhere)}")
            rows.append(row)
        heads = [
            "method",
            *HALVES,
            "HM",
            "E2MIM minus it, HM",
            "over seeds",
            "over seeds and sets",
            "on the six sets that chose nothing",
        ]
        return markdown(rows, heads)

    def each_set(self) -> str:
        """HM on every set, and how far the chosen E2MIM is from the best of the others there."""
        ours = self.plan.chosen("E2MIM")
        others = [x for x in self.plan.contestants() if x.method not in LEFT_OUT and x != CONTROL]
        means = {x: with_hm(self._tested(x))[..., 2].mean(1) for x in (ours, *others)}
        rows = []
        for d, folder in enumerate(TEST_SETS):
            best = max(others, key=lambda each, d=d: means[each][d])
            away = means[ours][d] - means[best][d]
            cells = [f"{means[each][d]:.1f}" for each in (ours, *others)]
            rows.append([folder, *cells, f"{away:+.1f} ({best.name})"])
        return markdown(rows, ["names of", "E2MIM", *(x.name for x in others), "to the best"])

    def views(self) -> str:
        """Where the text features of every contestant went, and how far to believe it."""
        rows = []
        for each in self.plan.contestants():
            found = self.plan.results("test", "woven", TEST_SETS, each, TEST_SEEDS)
            rows.append([each.name, *self._described([r for row in found for r in row])])
        return markdown(rows, ["method", *self._heads])

    _heads = ["cosine base / new", "centred", "common", "nats new", "ECE base / new", "over new"]

    @staticmethod
    def _described(results: list[dict]) -> list[str]:
        def mean(half: str, what: str) -> float:
            return float(np.mean([result[half][what] for result in results]))

        return [
            f"{mean('base', 'cosine'):.3f} / {mean('new', 'cosine'):.3f}",
            f"{mean('new', 'centred'):.3f}",
            f"{mean('new', 'common'):.2f}",
            f"{mean('new', 'nats'):.3f}",
            f"{mean('base', 'ece'):.1f} / {mean('new', 'ece'):.1f}",
            f"{mean('new', 'over'):+.1f}",
        ]

    def _results(self, each: Candidate) -> list[dict]:
        found = self.plan.results("choose", "woven", VARIED_SETS, each, VARIED_SEEDS)
        return [result for row in found for result in row]

    def varied(self) -> str:
        """One thing changed at a time, on held-out base classes."""
        rows = []
        values = {
            each: with_hm(self.plan.accuracies("choose", "woven", VARIED_SETS, each, VARIED_SEEDS))
            for each in (DEFAULT, *VARIED)
        }
        for each in values:
            differs = (values[each] - values[DEFAULT])[..., 2].ravel()
            error = differs.std(ddof=1) / len(differs) ** 0.5
            gain = "" if each == DEFAULT else f"{differs.mean():+.2f} \u00b1 {error:.2f}"
            results = self._results(each)
            seen = [r["new"]["seen"] for r in results if "seen" in r["new"]]
            row = [each.label, *numbers(values[each][..., :2]), gain]
            row += self._described(results)[:4] + [f"{np.mean(seen):.3f}" if seen else ""]
            rows.append(row)
        heads = ["changed", "base", "pseudo-new", "HM", "HM to the default", *self._heads[:4]]
        return markdown(rows, [*heads, "cosine by the critic"])

    def estimate_and_accuracy(self) -> str:
        """Rank correlation over variants of the estimate on new names with their accuracy."""
        found = {}
        for what in ("nats", "cosine", "centred"):
            by_set = []
            for d in range(len(VARIED_SETS)):
                rows = [self.plan.results("choose", "woven", VARIED_SETS, x, VARIED_SEEDS)[d]
                        for x in (DEFAULT, *VARIED)]  # fmt: skip
                x, y = ([np.mean([r["new"][k] for r in row]) for row in rows]
                        for k in (what, "accuracy"))  # fmt: skip
                by_set.append(spearmanr(x, y).statistic)
            found[what] = by_set
        text = "; ".join(
            f"{name} " + ", ".join(f"{value:+.2f}" for value in found[what])
            for what, name in (("nats", "estimate"), ("cosine", "cosine"), ("centred", "centred"))
        )
        return (
            f"Spearman's correlation over the {1 + len(VARIED)} variants with accuracy on "
            f"pseudo-new classes, {', '.join(VARIED_SETS)}: {text}."
        )

    def over_tcp(self) -> str:
        """E2MIM's terms over TCP, on held-out base classes."""
        reference, rows = with_hm(self._choosing(OVER_TCP[0], VARIED_SEEDS)), []
        for each in OVER_TCP:
            values = with_hm(self._choosing(each, VARIED_SEEDS))
            row = [each.name, *numbers(values[..., :2])]
            for k in range(3):
                _, over_sets = intervals(values[..., k], reference[..., k])
                row.append(
                    "" if each == OVER_TCP[0] else f"{over_sets.mean:+.2f} {spread(over_sets)}"
                )
            rows.append(row)
        heads = [
            "method",
            "base",
            "pseudo-new",
            "HM",
            *(f"{x} to TCP" for x in ("base", "pseudo-new", "HM")),
        ]
        return markdown(rows, heads)

    def stressed(self) -> str:
        """Trust and views by shots on held-out base classes of the pocket sets."""
        rows = []
        for each in STRESSED:
            seeds = VARIED_SEEDS
            values = self.plan.accuracies("choose", "pocket", STRESSED_SETS, each, seeds)
            found = self.plan.results("choose", "pocket", STRESSED_SETS, each, seeds)
            trusts = " ".join(f"{row[0]['trust'] or 0:.2f}" for row in found)
            cells = [f"{hm:.1f}" for hm in with_hm(values)[:, 0, 2]]
            rows.append([each.name, *cells, trusts if "trust" in each.label else ""])
        return markdown(rows, ["setting", *STRESSED_SETS, "trust"])
