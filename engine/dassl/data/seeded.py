"""Order and random numbers that belong to (seed, epoch, image), and to nothing else.

The views of the images that a run trains on then do not depend on what its method drew before, on
the processes that load them, or on where a run that goes on was cut off: two methods with one seed,
data set, sampler and transform see the very same.
"""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler


def seed_of(*parts: int | str) -> int:
    """A seed that belongs to these parts, from 0, below 2 ** 63; one of them changed is another."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


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
    """The indices of another sampler, in an order and each with a seed of the epoch's own.

    Args:
        sampler: gives the order, by the global generators.
        seed: of the run. None: every pass draws one from the global generator.

    Attributes:
        epoch: from 0; `begin_epoch` sets it.
        passes: over this epoch that have begun.
    """

    def __init__(self, sampler: Sampler[int], seed: int | None = None) -> None:
        self.sampler, self.seed = sampler, seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """The next pass is the first of this epoch; a second one of the same has others."""
        self.epoch, self.passes = epoch, 0

    def __iter__(self) -> Iterator[SeededIndex]:
        own = (self.seed, self.epoch, self.passes)
        if self.seed is None:
            own = ("drawn", int(torch.empty((), dtype=torch.int64).random_()))
        self.passes += 1
        with random_numbers_of(SeededIndex(0, seed_of(*own))):
            order = list(self.sampler)
        for index in order:
            yield SeededIndex(index, seed_of(*own, index))

    def __len__(self) -> int:
        return len(self.sampler)

    def seeds_for(self, sampler: Sampler[int], epoch: int) -> "SeededSampler":
        """An epoch's seeds for another order of the same data set."""
        other = SeededSampler(sampler, self.seed)
        other.set_epoch(epoch)
        return other


def begin_epoch(loader: Any, epoch: int) -> None:
    """Tell a loader, if its order and views are of epochs, which one comes."""
    set_epoch = getattr(getattr(loader, "sampler", None), "set_epoch", None)
    if set_epoch is not None:
        set_epoch(epoch)


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
