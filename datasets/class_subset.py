"""Base, new or all classes: the halves of a data set that base-to-new tunes and tests on."""

from __future__ import annotations

import copy
import math

from dassl.data.datasets import Datum

SUBSETS = ("all", "base", "new")


def subsample_classes(*datasets: list[Datum], subsample: str = "all") -> list[list[Datum]]:
    """Keeps the first half of the classes (base), the second (new), or all of them.

    The classes are the labels of the first data set in their order, base takes the odd one, and the
    kept classes are numbered from 0.

    Raises:
        ValueError: `subsample` is none of all, base, new; or there are no two classes to divide.
    """
    if subsample not in SUBSETS:
        raise ValueError(
            f"DATASET.SUBSAMPLE_CLASSES must be one of {', '.join(SUBSETS)}; got {subsample!r}."
        )
    if subsample == "all":
        return list(datasets)
    print(f"SUBSAMPLE {subsample.upper()} CLASSES!")
    labels = sorted({item.label for item in datasets[0]})
    if len(labels) < 2:
        raise ValueError(
            f"DATASET.SUBSAMPLE_CLASSES {subsample} is half of the classes, and there is no more "
            f"than {len(labels)} in the data set. Add classes, or leave the key out."
        )
    middle = math.ceil(len(labels) / 2)
    kept = labels[:middle] if subsample == "base" else labels[middle:]
    number = {label: index for index, label in enumerate(kept)}
    return [
        [_relabelled(item, number[item.label]) for item in items if item.label in number]
        for items in datasets
    ]


def _relabelled(item: Datum, label: int) -> Datum:
    # A copy, not a new Datum, which would look for the image a second time.
    item = copy.copy(item)
    item._label, item._domain = label, 0
    return item
