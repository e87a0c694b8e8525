"""Random numbers that belong to an item of an epoch, not to the process that loads it.

The augmentation of an image then depends on the random state at the start of the epoch and on the
image's place in it: loading processes may live on, and their number may change, also in a run that
goes on from a checkpoint.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils.data import Sampler


class SeededIndex(int):
    """An index into a data set, with the seed of the random numbers that its item draws.

    Attributes:
        seed: from 0; below 2 ** 63.
    """

    seed: int

    def __new__(cls, index: int, seed: int) -> "SeededIndex":
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __reduce__(self) -> tuple:  # int's own drops the seed on the way to another process
        return SeededIndex, (int(self), self.seed)


class SeededSampler(Sampler[int]):
    """The indices of another sampler, each with a seed of its own in every pass.

    Args:
        sampler: gives the order.
    """

    def __init__(self, sampler: Sampler[int]) -> None:
        self.sampler = sampler

    def __iter__(self) -> Iterator[SeededIndex]:
        # One draw of the global generator, as a loader's own seeding of its processes takes.
        first = int(torch.empty((), dtype=torch.int64).random_()) // 2
        for place, index in enumerate(self.sampler):
            yield SeededIndex(index, first + place)

    def __len__(self) -> int:
        return len(self.sampler)

    def seeds_for(self, sampler: Sampler[int]) -> "SeededSampler":
        """Seeds for another order of the same data set."""
        return SeededSampler(sampler)


@contextmanager
def random_numbers_of(index: int) -> Iterator[None]:
    """The global generators draw the index's own numbers, then go on where they were.

    An index without a seed changes nothing. Of torch only the CPU's generator: images are
    transformed there.
    """
    if not isinstance(index, SeededIndex):
        yield
        return
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(index.seed)
        random.seed(index.seed)
        np.random.seed(index.seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
