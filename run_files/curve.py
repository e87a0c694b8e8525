"""The schema of `curve.json`: test accuracies during a training."""

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from run_files import CURVE
from run_files.kinds import LARGEST, Percent

Epoch = Annotated[int, Meta(ge=1, le=LARGEST, description="the number of an epoch, from 1")]


class Point(Struct, frozen=True):
    """The accuracies after an epoch, by the classes that were tested."""

    epoch: Epoch
    base: Percent | None = None
    new: Percent | None = None
    all: Percent | None = None


class Curve(Struct, frozen=True):
    """The content of `curve.json`."""

    FILE: ClassVar[str] = CURVE

    points: list[Point]
