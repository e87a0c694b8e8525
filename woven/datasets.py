"""The woven data sets: eleven lists of real class names, and four renderings of ImageNet's.

Where their pictures stand in the joint space is kept in files (`world`), so that drawing needs no
weights.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from woven.class_lists import REAL_SETS, cut_list, sentence
from woven.codes import SPLITS, Lengths, draw, generator, of_new
from woven.pictures import LOOKS, weave
from woven.world import world

VERSION = 1  # raise it when a change of how pictures are drawn changes a pixel
SOURCE = "ImageNet"
FOLDERS = dict(
    zip(
        REAL_SETS,
        "imagenet caltech101 oxford_pets stanford_cars oxford_flowers food101 fgvc_aircraft "
        "sun397 dtd eurosat ucf101".split(),
        strict=True,
    )
)


@dataclass(frozen=True)
class WovenSet:
    """One data set.

    Attributes:
        real: the data set whose names it has.
        name: as registered.
        folder: below the root of the data sets.
        about: a few words for the log.
        looks: a key of `pictures.LOOKS`.
        rendering_of: the woven set of which this one has the classes, each moved as there; "" for
            a set of its own.
    """

    real: str
    name: str
    folder: str
    about: str
    looks: str = "photo"
    rendering_of: str = ""
    split_file: ClassVar[str] = "split_woven.json"
    per_class: ClassVar[dict[str, int]] = SPLITS

    @property
    def version(self) -> str:
        """Of the pictures: of how they are drawn, and of where the classes stand."""
        return f"{VERSION}-{world().sha256[:12]}"

    @property
    def classnames(self) -> list[str]:
        """In the order of the real data set's labels."""
        return list(cut_list(self.real))

    @property
    def template(self) -> str:
        """The real data set's sentence."""
        return sentence(self.real)

    @property
    def lengths(self) -> Lengths:
        """How far its pictures are from its words."""
        return world().lengths[self.name]

    def codes(self, label: int, split: str, centres: Tensor, lengths: Lengths) -> Tensor:
        """Unit codes [n, E] of the pictures of one class."""
        factor = of_new(lengths, len(centres))[label].item()
        return draw(self.name, split, label, centres[label], lengths.picture * factor)

    def weave(self, label: int, split: str, codes: Tensor) -> Tensor:
        """The pictures of codes, uint8 [n, S, S, 3]."""
        rng = generator("pictures", VERSION, self.name, split, label)
        return weave(codes, rng, LOOKS[self.looks])

    def images(self, classname: str, split: str) -> np.ndarray:
        """Those of one class and split, uint8 [n, S, S, 3]; a function of its arguments alone."""
        label = self.classnames.index(classname)
        codes = self.codes(label, split, world().centres[self.name], self.lengths)
        return self.weave(label, split, codes).numpy()


def _rendering(variant: str, about: str, looks: str) -> WovenSet:
    name, folder = f"WovenImageNet{variant}", f"woven_imagenet_{variant.lower()}"
    return WovenSet(SOURCE, name, folder, about, looks, "WovenImageNet")


RENDERINGS = (
    _rendering("V2", "WovenImageNet, collected again", "photo"),
    _rendering("Sketch", "WovenImageNet with little colour", "sketch"),
    _rendering("A", "WovenImageNet, small and hard to read", "small"),
    _rendering("R", "WovenImageNet in few levels of colour", "rendition"),
)
SETS = {
    item.name: item
    for item in (
        *(
            WovenSet(real, f"Woven{real}", f"woven_{folder}", f"class names of {real}")
            for real, folder in FOLDERS.items()
        ),
        *RENDERINGS,
    )
}
