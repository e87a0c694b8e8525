"""What a picture of a class says: the class's words, moved.

    z = unit(t_c + a A + b B_c + s n)

t_c is the text feature of class c, the mean over all sentences, A a direction of the data set, B_c
one of the class, n one of the picture, all N(0, I / E). a, b and s are lengths, since such a vector
has length 1 in the mean; those of new classes are b and s times a number. Prompts can follow A,
which all classes share; what they learn of B_c on base classes is not true of new ones. That real
pictures deviate from real words like this is a hypothesis, and the bench is built on it.
"""

import zlib
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SPLITS = {"train": 32, "val": 8, "test": 40}  # pictures a class


@dataclass(frozen=True)
class Lengths:
    """How far pictures are from words."""

    shared: float  # a
    own: float  # b
    picture: float  # s
    new: float = 1.0  # what b and s of new classes are multiplied with


def generator(*key: object) -> torch.Generator:
    """Random numbers of a name: the same on every machine, whatever was drawn before."""
    return torch.Generator().manual_seed(zlib.crc32(repr(key).encode()))


def direction(*key: object, dimensions: int) -> Tensor:
    """A vector of a name [E], N(0, I / E)."""
    return torch.randn(dimensions, generator=generator("direction", *key)) * dimensions**-0.5


def base_count(classes: int) -> int:
    """How many of the classes are base classes (CoOp: the first half, rounded up)."""
    return (classes + 1) // 2


def of_new(lengths: Lengths, classes: int) -> Tensor:
    """What the lengths of each class are multiplied with, [C, 1]: 1 for base classes."""
    is_new = torch.arange(classes) >= base_count(classes)
    return torch.where(is_new, lengths.new, 1.0)[:, None]


def centres(name: str, words: Tensor, lengths: Lengths, own_of: str = "") -> Tensor:
    """t_c + a A + b B_c [C, E] of a data set's unit text features `words` [C, E].

    `own_of` is the data set whose B_c these are; by default its own.
    """
    size = words.shape[1]
    shared = direction(name, dimensions=size)
    own = [direction(own_of or name, label, dimensions=size) for label in range(len(words))]
    factor = of_new(lengths, len(words))
    return words + lengths.shared * shared + lengths.own * factor * torch.stack(own)


def draw(name: str, split: str, label: int, centre: Tensor, length: float) -> Tensor:
    """Unit codes [n, E] of the pictures of one class in one split."""
    noise = torch.randn(
        SPLITS[split], len(centre), generator=generator("codes", name, split, label)
    )
    return F.normalize(centre + length * len(centre) ** -0.5 * noise, dim=-1)
