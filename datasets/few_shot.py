"""Few-shot picks and class subsets: what CoOp-style data sets draw from their full splits.

Picks are kept, see `datasets.kept_picks`.
"""

from __future__ import annotations

import copy
import errno
import math
import os
import random

from dassl.data.datasets import DatasetBase, Datum
from datasets.kept_picks import load_picks, save_picks

SUBSETS = ("all", "base", "new")
MAX_VAL_SHOTS = 4


def make_datum(impath: str, label: int, classname: str) -> Datum:
    """The one place where these data sets make a Datum, of an image that a listing has shown.

    Datum's own constructor asks the file system for each image again, minutes for ImageNet's.
    """
    item = Datum.__new__(Datum)
    item._impath, item._label, item._domain, item._classname = impath, label, 0, classname
    return item


def few_shot(
    dataset: DatasetBase,
    train: list[Datum],
    val: list[Datum],
    *,
    num_shots: int,
    seed: int,
    folder: str,
    image_dir: str,
    suffix: str = "",
) -> tuple[list[Datum], list[Datum]]:
    """Picks `num_shots` training images a class, the same ones each time for the same seed.

    The picks depend on the split, `num_shots` and `seed` alone and equal those of Dassl 0.6.3 after
    `set_random_seed(seed)`; Python's random state is as before afterwards, whether the picks were
    drawn or read. With `seed` < 0 they are drawn from the current random state and not kept, since
    a later run without a seed must not get them again.

    Args:
        dataset: whose `generate_fewshot_dataset` draws.
        train: the full training split, all classes.
        val: the full validation split; min(num_shots, 4) images a class are picked from it.
        num_shots: images a class; below 1 the splits come back whole.
        seed: of the draw.
        folder: the data set's folder, where `split_fewshot/` is.
        image_dir: the folder that the paths in the data set's split file start from.
        suffix: of the names of the files, for picks from a part of the split.

    Raises:
        ValueError: a kept file is damaged, unsafe or not of this split, or the two disagree.
    """
    if num_shots < 1:
        return train, val
    if seed < 0:
        return sample_few_shot(dataset, train, val, num_shots=num_shots)
    plain = os.path.join(folder, "split_fewshot", f"shot_{num_shots}-seed_{seed}")
    stem = f"{plain}{suffix}"
    shots = {"train": num_shots, "val": min(num_shots, MAX_VAL_SHOTS)}
    splits = {"train": train, "val": val}
    kept = load_picks(stem, splits, shots=shots, folder=folder, image_dir=image_dir)
    if kept is not None:
        return kept["train"], kept["val"]
    if suffix and any(os.path.exists(f"{plain}{ending}") for ending in (".pkl", ".json")):
        print(f"Note: the picks in {plain}.* are not read, they were drawn from other images")
    state = random.getstate()
    random.seed(seed)
    train, val = sample_few_shot(dataset, train, val, num_shots=num_shots)
    random.setstate(state)
    try:
        save_picks(stem, {"train": train, "val": val}, folder=folder)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        print(f"Few-shot picks are not kept, {folder} is read-only; the seed draws the same again")
    return train, val


def sample_few_shot(
    dataset: DatasetBase, train: list[Datum], val: list[Datum], *, num_shots: int
) -> tuple[list[Datum], list[Datum]]:
    """Draws with the global `random`: all classes of `train` first, then min(K, 4) of `val`."""
    train = dataset.generate_fewshot_dataset(train, num_shots=num_shots)
    val = dataset.generate_fewshot_dataset(val, num_shots=min(num_shots, MAX_VAL_SHOTS))
    return train, val


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
