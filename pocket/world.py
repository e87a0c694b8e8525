"""Scenes of the pocket world and how they become pixels.

    rng = np.random.default_rng(0)
    scenes = draw_scenes(8, rng, shape=SHAPES.index("star"))   # the rest is random
    images = render(scenes, rng)                               # [8, 48, 48, 3] uint8

`python -m pocket.world --sheet FILE` draws a contact sheet with a few images of each data set.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from pocket.shapes import DISTANCES
from pocket.styles import RENDERERS
from pocket.vocabulary import COLORS, SHAPES, SIZES, STYLES, TEXTURES

IMAGE_SIZE = 48
NO_NEIGHBOUR = len(SHAPES)  # value of `Scenes.neighbour_shape` where an object stands alone

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Scenes:
    """Attributes of B scenes, each an int array [B] of positions in the vocabulary's tuples.

    A scene is an object on a background, sometimes with a smaller neighbour in a corner. The
    background never has the object's colour, the neighbour has neither of the two colours.
    """

    shape: Array
    color: Array
    texture: Array
    size: Array
    ground: Array
    style: Array
    neighbour_shape: Array  # NO_NEIGHBOUR where there is none
    neighbour_color: Array

    def __len__(self) -> int:
        return len(self.shape)


def draw_scenes(
    count: int, rng: np.random.Generator, *, neighbour_rate: float = 0.0, **fixed: int | Array
) -> Scenes:
    """Draws `count` scenes at random; `fixed` sets attributes (an index or an array [count]).

    `neighbour_rate` is the share of scenes with a second object, unless `neighbour_shape` is set.
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
    }
    drawn = {name: rng.integers(0, limit, count) for name, limit in limits.items()}
    alone = rng.random(count) >= neighbour_rate
    drawn["neighbour_shape"] = np.where(alone, NO_NEIGHBOUR, drawn["neighbour_shape"])
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


def _paint(
    canvas: Array, masks: Array, shape: Array, color: Array, texture: Array, radius: Array,
    centre: Array, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Draws one object per image onto `canvas` [B, S, S, 3]; adds its coverage to `masks`."""
    count, size = canvas.shape[:2]
    axis = (np.arange(size, dtype=np.float32) + 0.5) / (size / 2) - 1
    angle = rng.uniform(-0.2, 0.2, count)
    cos, sin = (f(angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    radius = radius.astype(np.float32)[:, None, None]
    dx = (axis[None, None, :] - centre[:, 0, None, None]) / radius
    dy = (-axis[None, :, None] - centre[:, 1, None, None]) / radius
    x, y = cos * dx + sin * dy, cos * dy - sin * dx
    coverage = np.empty((count, size, size), dtype=np.float32)
    for index in np.unique(shape):
        rows = shape == index
        distance = DISTANCES[index](x[rows], y[rows])
        coverage[rows] = np.clip(0.5 - distance * radius[rows] * np.float32(size / 2), 0, 1)
    shade = _shade(texture, x * radius * (size / 2), y * radius * (size / 2), rng)
    paint = (
        color[:, None, None, :] * (1 - shade[..., None])
        + (0.5 - 0.45 * color)[:, None, None, :] * shade[..., None]
    )
    canvas += (paint - canvas) * coverage[..., None]
    np.maximum(masks, coverage, out=masks)


def _wave(position: Array, period: float) -> Array:
    """A square wave with soft edges, 0..1, over a position in pixels."""
    phase = position / np.float32(period)
    phase = phase - np.floor(phase)
    return np.clip((0.25 - np.abs(phase - 0.5)) * np.float32(period) + 0.5, 0, 1)


def _shade(texture: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    """How much of the second tone each pixel takes, [B, S, S] in 0..1; x and y in pixels."""
    shade = np.zeros_like(x)
    for index in np.unique(texture):
        rows = texture == index
        u, v = x[rows], y[rows]
        match TEXTURES[index]:
            case "banded":
                shade[rows] = _wave(v, 7)
            case "striped":
                shade[rows] = _wave(u, 7)
            case "checked":
                a, b = _wave(u, 10), _wave(v, 10)
                shade[rows] = a + b - 2 * a * b
            case "dotted":
                a, b = (w / 7 - np.floor(w / 7) - 0.5 for w in (u, v))
                shade[rows] = np.clip(0.5 - (np.sqrt(a * a + b * b) - 0.3) * 7, 0, 1)
            case "grainy":
                shade[rows] = rng.random(u.shape, dtype=np.float32) > 0.6
    return shade * np.float32(0.9)


def render(
    scenes: Scenes, rng: np.random.Generator, *, size: int = IMAGE_SIZE, with_masks: bool = False
) -> Array | tuple[Array, Array]:
    """Pictures of the scenes, uint8 [B, size, size, 3].

    Position, rotation, exact colours, light and noise come from `rng`. With `with_masks`, also
    the coverage by objects, float32 [B, size, size] in 0..1.
    """
    count = len(scenes)
    palette = np.array(list(COLORS.values()), dtype=np.float32)

    def colors(index: Array) -> Array:
        return np.clip(palette[index] + rng.normal(0, 0.03, (count, 3)), 0, 1).astype(np.float32)

    slope = rng.uniform(-0.12, 0.12, (count, 1, 1, 1)).astype(np.float32)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)[None, :, None, None]
    canvas = np.clip(colors(scenes.ground)[:, None, None, :] + slope * ramp, 0, 1)
    canvas = np.ascontiguousarray(np.broadcast_to(canvas, (count, size, size, 3)))
    masks = np.zeros((count, size, size), dtype=np.float32)

    paired = scenes.neighbour_shape != NO_NEIGHBOUR
    radius = np.array(list(SIZES.values()))[scenes.size] * rng.uniform(0.92, 1.08, count)
    radius = np.where(paired, np.minimum(radius, 0.55), radius)
    side = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    slack = np.maximum(0.95 - radius, 0.05)[:, None]
    centre = rng.uniform(-1, 1, (count, 2)) * slack
    centre[paired, 0] = -0.36 * side[paired]
    args = scenes.shape, colors(scenes.color), scenes.texture, radius
    _paint(canvas, masks, *args, centre.astype(np.float32), rng)
    if paired.any():
        _paint_neighbours(canvas, masks, scenes, paired, side, colors, rng)
    for index in np.unique(scenes.style):
        rows = scenes.style == index
        canvas[rows] = RENDERERS[index](canvas[rows], rng)
    pixels = (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
    return (pixels, masks) if with_masks else pixels


def _paint_neighbours(canvas, masks, scenes, paired, side, colors, rng) -> None:
    count = int(paired.sum())
    sub_canvas, sub_masks = canvas[paired], masks[paired]
    plain = np.full(count, TEXTURES.index("plain"))
    radius = rng.uniform(0.28, 0.34, count)
    centre = np.stack([0.62 * side[paired], rng.uniform(-0.6, 0.6, count)], axis=1)
    color = colors(scenes.neighbour_color)[paired]
    shape = scenes.neighbour_shape[paired]
    _paint(sub_canvas, sub_masks, shape, color, plain, radius, centre.astype(np.float32), rng)
    canvas[paired], masks[paired] = sub_canvas, sub_masks


def main() -> None:
    """Draws the contact sheet."""
    from pocket.datasets import contact_sheet

    parser = argparse.ArgumentParser(description="Draw a contact sheet of every pocket data set.")
    parser.add_argument("--sheet", required=True, metavar="FILE", help="where to write the PNG")
    contact_sheet().save(parser.parse_args().sheet)


if __name__ == "__main__":
    main()
