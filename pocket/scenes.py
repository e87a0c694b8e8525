"""What is in a picture: the attributes of a scene, drawn at random or fixed."""

from dataclasses import dataclass, fields

import numpy as np

from pocket.vocabulary import COLORS, SHAPES, SIZES, STYLES, TEXTURES

NOTHING = len(SHAPES)  # value of `Scenes.neighbour_shape` and `Scenes.mark` where there is none

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Scenes:
    """Attributes of B scenes, each an int array [B] of positions in the vocabulary's tuples.

    A scene is an object on a background. Some objects carry a black or white mark, a smaller shape
    on a disc of the object's colour; some have a neighbour, a smaller object at their side.
    The background never has the object's colour, the neighbour has neither of the two colours.
    """

    shape: Array
    color: Array
    texture: Array
    size: Array
    ground: Array
    style: Array
    neighbour_shape: Array  # NOTHING where the object stands alone
    neighbour_color: Array
    mark: Array  # shape of the mark, NOTHING where there is none

    def __len__(self) -> int:
        return len(self.shape)

    def take(self, rows: Array | slice) -> "Scenes":
        """The scenes at `rows`."""
        return Scenes(*(getattr(self, field.name)[rows] for field in fields(self)))


def draw_scenes(
    count: int,
    rng: np.random.Generator,
    *,
    neighbour_rate: float = 0.0,
    mark_rate: float = 0.0,
    **fixed: int | Array,
) -> Scenes:
    """Draws `count` scenes at random; `fixed` sets attributes (an index or an array [count]).

    Args:
        count: how many.
        rng: the source of all chance.
        neighbour_rate: share of scenes with a second object, unless `neighbour_shape` is set.
        mark_rate: share of marked objects, unless `mark` is set.
        fixed: attributes that are not left to chance.
    """
    limits = {
        "shape": len(SHAPES),
        "color": len(COLORS),
        "texture": len(TEXTURES),
        "size": len(SIZES),
        "ground": len(COLORS),
        "style": len(STYLES),
        "neighbour_shape": len(SHAPES),
        "neighbour_color": len(COLORS),
        "mark": len(SHAPES),
    }
    drawn = {name: rng.integers(0, limit, count) for name, limit in limits.items()}
    for name, rate in (("neighbour_shape", neighbour_rate), ("mark", mark_rate)):
        drawn[name] = np.where(rng.random(count) < rate, drawn[name], NOTHING)
    drawn |= {name: np.broadcast_to(np.asarray(value), count) for name, value in fixed.items()}
    # Colours must differ within a scene: those that nobody asked for give way.
    colors = sorted(("color", "ground", "neighbour_color"), key=lambda name: name not in fixed)
    for place, name in enumerate(colors):
        drawn[name] = _differ(drawn[name], [drawn[other] for other in colors[:place]])
    return Scenes(**drawn)


def _differ(values: Array, taken: list[Array]) -> Array:
    for _ in taken:  # one shift may land on another taken value, so as many rounds as values
        for other in taken:
            values = np.where(values == other, (values + 1) % len(COLORS), values)
    return values
