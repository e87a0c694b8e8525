"""Random numbers for a while that disturb nobody else's."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from dassl.utils import set_random_seed


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds all generators, and gives them their state back."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        set_random_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
