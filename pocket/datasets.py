"""The pocket data sets: which classes, which reading, which styles."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pocket.scenes import Scenes, draw_scenes
from pocket.vocabulary import COLOR_NAMES, SHAPES, SIZE_NAMES, STYLES
from pocket.world import render

VERSION = 2  # raise it when a change of the world or of a set below changes a pixel
PER_CLASS = {"train": 32, "val": 8, "test": 20}

Attributes = dict[str, int]


def _pairs(first: str, second: str, values: tuple[tuple[str, ...], tuple[str, ...]]):
    """Class names "<first word> <second word>" with the attribute values they stand for."""
    return {
        f"{a} {b}": {first: i, second: j}
        for i, a in enumerate(values[0])
        for j, b in enumerate(values[1])
    }


@dataclass(frozen=True)
class PocketSet:
    """One data set: its words, what they mean, and how it is drawn."""

    name: str
    folder: str
    about: str
    classes: dict[str, Attributes]
    styles: dict[str, float]  # style name -> share of the images
    seed: int
    template: str = "a photo of a {}."
    neighbour_rate: float = 0.0
    version: ClassVar[int] = VERSION
    split_file: ClassVar[str] = "split_pocket.json"
    per_class: ClassVar[dict[str, int]] = PER_CLASS

    @property
    def classnames(self) -> list[str]:
        """Sorted names: labels follow this order."""
        return sorted(self.classes)

    @property
    def styled_template(self) -> str:
        """The sentence that names the most common style which the template does not name."""
        others = [name for name in self.styles if name != "photo"]
        style = max(others, key=self.styles.get, default="photo")
        kind = style if style in ("photo", "sketch") else f"{style} photo"
        return f"a {kind} of a {{}}."

    def images(self, classname: str, split: str) -> np.ndarray:
        """Those of one class and split, uint8 [N, S, S, 3]; a function of its arguments alone."""
        place = self.classnames.index(classname), list(self.per_class).index(split)
        rng = np.random.default_rng([self.version, self.seed, *place])
        return render(self.scenes(classname, self.per_class[split], rng), rng)

    def scenes(self, classname: str, count: int, rng: np.random.Generator) -> Scenes:
        """`count` scenes of one class."""
        names, shares = zip(*self.styles.items(), strict=True)
        style = rng.choice([STYLES.index(name) for name in names], count, p=shares)
        more = {"neighbour_rate": self.neighbour_rate, "style": style}
        return draw_scenes(count, rng, **more, **self.classes[classname])


_COLOR_SHAPE = (COLOR_NAMES, SHAPES)
_OBJECTS = _pairs("color", "shape", _COLOR_SHAPE)
_DUOS = {
    name: attributes
    for name, attributes in _pairs("color", "ground", (COLOR_NAMES, COLOR_NAMES)).items()
    if attributes["color"] != attributes["ground"]
}
_GROUNDS = _pairs("ground", "shape", _COLOR_SHAPE)


def _shifted(style: str, about: str, seed: int) -> PocketSet:
    """The source's classes in one style."""
    name, folder = f"PocketShapes{style.title()}", f"pocket_shapes_{style}"
    return PocketSet(name, folder, f"the source's classes, {about}", _OBJECTS, {style: 1.0}, seed)


SETS = {
    item.name: item
    for item in (
        PocketSet(
            "PocketShapes", "pocket_shapes", "colour x shape of the object; the source",
            _OBJECTS, {"photo": 1.0}, 1,
        ),
        PocketSet(
            "PocketSizes", "pocket_sizes", "size x shape of the object",
            _pairs("size", "shape", (SIZE_NAMES, SHAPES)), {"photo": 0.5, "pixelated": 0.5}, 3,
        ),
        PocketSet(
            "PocketGrounds", "pocket_grounds",
            "colour of the background x shape of the object: 'red circle' is a circle on red",
            _GROUNDS, {"photo": 0.5, "murky": 0.5}, 4,
        ),
        PocketSet(
            "PocketDuos", "pocket_duos",
            "colours of object x background: 'red blue' is something red on blue",
            _DUOS, {"photo": 0.5, "neon": 0.5}, 5,
        ),
        PocketSet(
            "PocketNeighbours", "pocket_neighbours",
            "colour x shape of the smaller second object",
            _pairs("neighbour_color", "neighbour_shape", _COLOR_SHAPE),
            {"photo": 0.5, "tinted": 0.5}, 6,
        ),
        PocketSet(
            "PocketMarks", "pocket_marks",
            "colour of the object x shape of the mark on it",
            _pairs("color", "mark", _COLOR_SHAPE), {"photo": 0.5, "faded": 0.5}, 7,
        ),
        _shifted("murky", "blurred and hazy", 8),
        _shifted("sketch", "as sketches", 9),
        _shifted("noisy", "under strong noise", 10),
        _shifted("neon", "saturated, dark and glowing", 11),
    )
}  # fmt: skip
