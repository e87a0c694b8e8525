"""Few-shot picks: so many training images of each class, the same ones for the same seed."""

from __future__ import annotations

import random

from dassl.data.datasets import DatasetBase, Datum
from datasets.kept_picks import KeptPicks

MAX_VAL_SHOTS = 4


def few_shot(
    dataset: DatasetBase, train: list[Datum], val: list[Datum], kept: KeptPicks
) -> tuple[list[Datum], list[Datum]]:
    """Picks `kept.num_shots` training images a class, or reads them where they are kept.

    The picks depend on the split, the shots and `kept.seed` alone and equal those of Dassl 0.6.3
    after `set_random_seed(seed)`; Python's random state is as before afterwards, whether the picks
    were drawn or read. With a seed < 0 they are drawn from the current random state and not kept,
    since a later run without a seed must not get them again.

    Args:
        dataset: whose `generate_fewshot_dataset` draws.
        train: the full training split, all classes.
        val: the full validation split; min(shots, 4) images a class are picked from it.
        kept: how many, by which seed and where; with less than one shot the splits come back whole.

    Raises:
        ValueError: a kept file is damaged, unsafe or not of this split, or the two disagree.
    """
    num_shots = kept.num_shots
    if num_shots < 1:
        return train, val
    if kept.seed < 0:
        return sample_few_shot(dataset, train, val, num_shots=num_shots)
    shots = {"train": num_shots, "val": min(num_shots, MAX_VAL_SHOTS)}
    picks = kept.load({"train": train, "val": val}, shots)
    if picks is None:
        state = random.getstate()
        random.seed(kept.seed)
        train, val = sample_few_shot(dataset, train, val, num_shots=num_shots)
        random.setstate(state)
        picks = {"train": train, "val": val}
        kept.save(picks)
    return picks["train"], picks["val"]


def sample_few_shot(
    dataset: DatasetBase, train: list[Datum], val: list[Datum], *, num_shots: int
) -> tuple[list[Datum], list[Datum]]:
    """Draws with the global `random`: all classes of `train` first, then min(K, 4) of `val`."""
    train = dataset.generate_fewshot_dataset(train, num_shots=num_shots)
    val = dataset.generate_fewshot_dataset(val, num_shots=min(num_shots, MAX_VAL_SHOTS))
    return train, val
