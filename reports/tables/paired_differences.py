"""Whether two methods differ: paired differences over data sets and seeds.

Over all pairs a bootstrap interval of the mean difference and Wilcoxon's signed-rank test. Seeds of
one data set share its images and classes, so that the pairs are not independent: over data sets
each counts once, by the mean of its seeds, with Student's interval and an exact sign-flip test.
With five of either a p-value cannot fall below 0.05, whatever the differences are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from reports.layout.grid import Grid, Row

CONFIDENCE = 0.95
RESAMPLES = 9999
CORNER = "Quantity"
NOTE = (
    "Paired differences are over the (data set, seed) pairs that both have, in points; the "
    f"interval is the {CONFIDENCE:.0%} percentile bootstrap of their mean ({RESAMPLES:,} "
    "resamples), p is of Wilcoxon's signed-rank test, two-sided. Seeds of one data set are not "
    "independent of each other; over data sets each counts once, by the mean of its seeds: "
    f"Student's {CONFIDENCE:.0%} interval, p of the sign-flip test, two-sided. Up to five pairs "
    "or data sets cannot bring their p below 0.05."
)
EXACT = 16  # data sets, up to which all signs are tried
FLIPS = 99_999  # random ones, for more


@dataclass(frozen=True)
class Difference:
    """First minus second.

    Attributes:
        low, high: bounds of the mean's interval.
        p: of no difference.
        unpaired: how many keys only one of the two has.
    """

    mean: float
    low: float
    high: float
    p: float
    count: int
    unpaired: int


def difference(
    first: Mapping[Hashable, float], second: Mapping[Hashable, float]
) -> Difference | None:
    """Compares values by key; None where fewer than two keys are in both."""
    keys = sorted(first.keys() & second.keys())
    if len(keys) < 2:
        return None
    values = np.array([first[key] - second[key] for key in keys])
    mean = float(values.mean())
    low = high = mean
    if np.ptp(values) > 0:  # the bootstrap of equal values is their value
        interval = stats.bootstrap(
            (values,), np.mean, confidence_level=CONFIDENCE, n_resamples=RESAMPLES,
            method="percentile", rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
        low, high = float(interval.low), float(interval.high)
    p = float(stats.wilcoxon(values).pvalue) if values.any() else 1.0
    return Difference(mean, low, high, p, len(keys), len(first.keys() ^ second.keys()))


@dataclass(frozen=True)
class OverDataSets:
    """First minus second, each data set once.

    Attributes:
        mean: over data sets of the means over their seeds.
        low, high: Student's interval of it.
        p: of the sign-flip test.
    """

    mean: float
    low: float
    high: float
    p: float
    count: int


def over_data_sets(
    first: Mapping[tuple[str, int], float], second: Mapping[tuple[str, int], float]
) -> OverDataSets | None:
    """Compares values by (data set, seed); None where fewer than two data sets are in both.

    The test: were both methods alike, each data set's mean difference would as well have the other
    sign. p is the share of all signs whose mean is as far from zero (Fisher's randomisation test).
    """
    by_set: dict[str, list[float]] = defaultdict(list)
    for key in sorted(first.keys() & second.keys()):
        by_set[key[0]].append(first[key] - second[key])
    if len(by_set) < 2:
        return None
    means = np.array([np.mean(values) for values in by_set.values()])
    count, mean = len(means), float(means.mean())
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * means.std(ddof=1) / count**0.5
    if count <= EXACT:
        signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        extreme, all_ = _as_far(signs @ means, means), 2**count
    else:  # the observed signs are one of those tried
        signs = np.random.default_rng(0).choice((-1, 1), (FLIPS, count))
        extreme, all_ = _as_far(signs @ means, means) + 1, FLIPS + 1
    return OverDataSets(mean, mean - float(reach), mean + float(reach), extreme / all_, count)


def _as_far(sums: np.ndarray, means: np.ndarray) -> int:
    return int((np.abs(sums) >= abs(means.sum()) - 1e-9 * np.abs(means).sum()).sum())


def grid(
    title: str,
    names: Sequence[str],
    values: Mapping[str, Mapping[str, Mapping[Hashable, float]]],
    *,
    by_data_set: bool = True,
) -> Grid | None:
    """The comparison of two rows; None if they share fewer than two pairs.

    Args:
        title: of the table that they are from.
        names: the labels of both.
        values: {quantity: {label: {key: value}}}.
        by_data_set: whether keys are (data set, seed).
    """
    first, second = names
    rows = []
    for quantity, by_label in values.items():
        pair = by_label.get(first, {}), by_label.get(second, {})
        found = difference(*pair)
        if found:
            pairs = f"{found.count}" + (f" ({found.unpaired} unpaired)" if found.unpaired else "")
            entries = (f"{found.mean:+.2f}", _interval(found), f"{found.p:.3g}", pairs)
            sets = over_data_sets(*pair) if by_data_set else None
            more = ("", "", "", "")
            if sets:
                more = (f"{sets.count}", f"{sets.mean:+.2f}", _interval(sets), f"{sets.p:.3g}")
            rows.append(Row(quantity, (*entries, *more)))
    interval = f"{CONFIDENCE:.0%} interval"
    columns = ("Mean difference", interval, "p", "Pairs",
               "Data sets", "Mean over them", f"{interval} over them", "p over them")  # fmt: skip
    if not any(row.entries[-1] for row in rows):  # one data set, or none in the keys
        columns = columns[:4]
        rows = [replace(row, entries=row.entries[:4]) for row in rows]
    name = f"{title}: {first} minus {second}"
    return Grid(name, columns, tuple(rows), corner=CORNER) if rows else None


def _interval(found: Difference | OverDataSets) -> str:
    return f"{found.low:+.2f} to {found.high:+.2f}"
