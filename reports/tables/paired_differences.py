"""Whether two methods differ: paired differences over data sets and seeds.

A bootstrap interval of the mean difference, and Wilcoxon's signed-rank test. With five pairs or
fewer its p-value cannot fall below 0.05, whatever the differences are.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from reports.layout.grid import Grid, Row

CONFIDENCE = 0.95
RESAMPLES = 9999
CORNER = "Quantity"
NOTE = (
    "Paired differences are over the (data set, seed) pairs that both have, in points; the "
    f"interval is the {CONFIDENCE:.0%} percentile bootstrap of their mean ({RESAMPLES:,} "
    "resamples), p is of Wilcoxon's signed-rank test, two-sided. Up to five pairs cannot bring p "
    "below 0.05. Seeds of one data set are not independent of each other: read p with care."
)


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


def grid(
    title: str, names: Sequence[str], values: Mapping[str, Mapping[str, Mapping[Hashable, float]]]
) -> Grid | None:
    """The comparison of two rows; None if they share fewer than two pairs.

    Args:
        title: of the table that they are from.
        names: the labels of both.
        values: {quantity: {label: {key: value}}}.
    """
    first, second = names
    rows = []
    for quantity, by_label in values.items():
        found = difference(by_label.get(first, {}), by_label.get(second, {}))
        if found:
            pairs = f"{found.count}" + (f" ({found.unpaired} unpaired)" if found.unpaired else "")
            interval = f"{found.low:+.2f} to {found.high:+.2f}"
            rows.append(Row(quantity, (f"{found.mean:+.2f}", interval, f"{found.p:.3g}", pairs)))
    columns = ("Mean difference", f"{CONFIDENCE:.0%} interval", "p", "Pairs")
    name = f"{title}: {first} minus {second}"
    return Grid(name, columns, tuple(rows), corner=CORNER) if rows else None
