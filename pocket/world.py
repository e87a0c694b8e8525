"""How scenes of the pocket world become pixels.

    rng = np.random.default_rng(0)
    scenes = draw_scenes(8, rng, shape=SHAPES.index("star"))   # the rest is random
    images = render(scenes, rng)                               # [8, 48, 48, 3] uint8

`python -m pocket.world --speed 64` measures how many images of 64 pixels are drawn in a second.
"""

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from pocket.scenes import NOTHING, Scenes, draw_scenes
from pocket.shapes import DISTANCES
from pocket.styles import RENDERERS, weighted
from pocket.textures import shade_of
from pocket.vocabulary import COLORS, SHAPES, SIZES, TEXTURES

IMAGE_SIZE = 48
CHUNK = 32  # images drawn at a time: their planes stay in the processor's cache
SPEED_BATCH = 256  # images of one shape, when speed is measured
MARK_RADIUS = 0.27  # of a mark, at least, in half image widths: below, its shape cannot be seen

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Placed:
    """Where n objects lie: shape [n], centre [n, 2] and radius [n] in half image widths, angle."""

    shape: Array
    centre: Array
    radius: Array
    angle: Array

    def take(self, rows: Array) -> "Placed":
        """The objects at `rows`."""
        return Placed(self.shape[rows], self.centre[rows], self.radius[rows], self.angle[rows])


def _coverage(placed: Placed, size: int) -> tuple[Array, Array, Array]:
    """How much of each pixel the objects cover, [n, S, S] in 0..1, and the pixels' place.

    The place is that within the object, x to the right and y up, in pixels of its own frame.
    """
    half = np.float32(size / 2)
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / half - 1
    cos, sin = (f(placed.angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    centre = placed.centre.astype(np.float32)
    radius = placed.radius.astype(np.float32)[:, None, None]
    dx = axis[None, None, :] - centre[:, 0, None, None]
    dy = -axis[None, :, None] - centre[:, 1, None, None]
    x, y = cos * dx + sin * dy, cos * dy - sin * dx
    coverage = np.empty_like(x)
    for index, rows in _groups(placed.shape):
        scale = radius[rows]
        distance = DISTANCES[index](x[rows] / scale, y[rows] / scale)
        coverage[rows] = distance * (scale * -half)
    coverage += np.float32(0.5)
    np.clip(coverage, 0, 1, out=coverage)
    x *= half
    y *= half
    return coverage, x, y


def _groups(values: Array) -> Iterator[tuple[int, Array | slice]]:
    """Each distinct value and its rows, as a slice where they are all: that copies nothing."""
    distinct = np.unique(values)
    for value in distinct:
        yield value, values == value if len(distinct) > 1 else slice(None)


def _blend(canvas: Array, color: Array, coverage: Array, shade: Array | None = None) -> None:
    """Lays `color` [n, 3] over `canvas` [n, 3, S, S] where `coverage` [n, S, S] is.

    Where `shade` [n, S, S] is, the color's second tone. One channel at a time stays in the cache.
    """
    for channel in range(3):
        plane, tone = canvas[:, channel], color[:, channel, None, None]
        if shade is None:
            layer = tone - plane
        else:
            layer = shade * (np.float32(0.5) - np.float32(1.45) * tone)
            layer += tone
            layer -= plane
        layer *= coverage
        plane += layer


def _paint_objects(
    canvas: Array, placed: Placed, color: Array, texture: Array, rng: np.random.Generator
) -> Array:
    """Draws one object per image onto `canvas` [n, 3, S, S]; returns the coverage [n, S, S]."""
    coverage, x, y = _coverage(placed, canvas.shape[-1])
    textured = (texture != TEXTURES.index("plain")).any()
    _blend(canvas, color, coverage, shade_of(texture, x, y, rng) if textured else None)
    return coverage


def _paint_marks(canvas: Array, placed: Placed, color: Array, mark: Array) -> Array:
    """Draws a mark on each object, in black or white on a disc of its colour; its coverage."""
    radius = np.maximum(placed.radius * 0.5, MARK_RADIUS)
    disc = Placed(
        np.full(len(mark), SHAPES.index("circle")), placed.centre, radius * 1.4, placed.angle
    )
    _blend(canvas, color, _coverage(disc, canvas.shape[-1])[0])
    ink = np.where(weighted(color) > 0.45, np.float32(0.04), np.float32(0.97))
    shape = Placed(mark, placed.centre, radius, placed.angle)
    coverage = _coverage(shape, canvas.shape[-1])[0]
    _blend(canvas, np.broadcast_to(ink[:, None], color.shape), coverage)
    return coverage


def render(scenes: Scenes, rng: np.random.Generator, *, size: int = IMAGE_SIZE) -> Array:
    """Pictures of the scenes, uint8 [B, size, size, 3].

    Position, rotation, exact colours, light and noise come from `rng`.
    """
    return render_with_masks(scenes, rng, size=size)[0]


def render_with_masks(
    scenes: Scenes, rng: np.random.Generator, *, size: int = IMAGE_SIZE
) -> tuple[Array, Array]:
    """As `render`, and what objects and marks cover: float32 [B, 2, size, size] in 0..1."""
    pixels = np.empty((len(scenes), size, size, 3), dtype=np.uint8)
    masks = np.zeros((len(scenes), 2, size, size), dtype=np.float32)
    for start in range(0, len(scenes), CHUNK):
        rows = slice(start, start + CHUNK)
        canvas = _draw(scenes.take(rows), rng, masks[rows])
        np.clip(canvas, 0, 1, out=canvas)
        canvas *= 255
        canvas += np.float32(0.5)
        pixels[rows] = canvas.astype(np.uint8).transpose(0, 2, 3, 1)
    return pixels, masks


def _draw(scenes: Scenes, rng: np.random.Generator, masks: Array) -> Array:
    """The scenes as float32 [B, 3, S, S], about 0..1; fills `masks` [B, 2, S, S]."""
    count, size = len(scenes), masks.shape[-1]
    palette = np.array(list(COLORS.values()), dtype=np.float32)

    def colors(index: Array) -> Array:
        return np.clip(palette[index] + rng.normal(0, 0.03, (count, 3)), 0, 1).astype(np.float32)

    slope = rng.uniform(-0.12, 0.12, (count, 1, 1, 1)).astype(np.float32)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)[:, None]
    light = np.clip(colors(scenes.ground)[:, :, None, None] + slope * ramp, 0, 1)
    canvas = np.ascontiguousarray(np.broadcast_to(light, (count, 3, size, size)))

    paired, marked = scenes.neighbour_shape != NOTHING, scenes.mark != NOTHING
    color, side = colors(scenes.color), np.where(rng.random(count) < 0.5, -1.0, 1.0)
    main = _place(scenes, paired, marked, side, rng)
    masks[:, 0] = _paint_objects(canvas, main, color, scenes.texture, rng)
    if marked.any():
        part = canvas[marked]
        masks[marked, 1] = _paint_marks(part, main.take(marked), color[marked], scenes.mark[marked])
        canvas[marked] = part
    if paired.any():
        part, color = canvas[paired], colors(scenes.neighbour_color)[paired]
        beside = _place_neighbours(scenes.neighbour_shape[paired], side[paired], rng)
        plain = np.full(len(part), TEXTURES.index("plain"))
        coverage = _paint_objects(part, beside, color, plain, rng)
        masks[paired, 0] = np.maximum(masks[paired, 0], coverage)
        canvas[paired] = part
    for index, rows in _groups(scenes.style):
        canvas[rows] = RENDERERS[index](canvas[rows], rng)
    return canvas


def _place(
    scenes: Scenes, paired: Array, marked: Array, side: Array, rng: np.random.Generator
) -> Placed:
    count = len(scenes)
    radius = np.array(list(SIZES.values()))[scenes.size] * rng.uniform(0.92, 1.08, count)
    radius = np.where(paired, np.minimum(radius, 0.55), radius)
    radius = np.where(marked, np.maximum(radius, 0.5), radius)
    centre = rng.uniform(-1, 1, (count, 2)) * np.maximum(0.95 - radius, 0.05)[:, None]
    centre[paired, 0] = -0.36 * side[paired]
    return Placed(scenes.shape, centre, radius, rng.uniform(-0.2, 0.2, count))


def _place_neighbours(shape: Array, side: Array, rng: np.random.Generator) -> Placed:
    count = len(shape)
    centre = np.stack([0.62 * side, rng.uniform(-0.6, 0.6, count)], axis=1)
    return Placed(shape, centre, rng.uniform(0.28, 0.34, count), rng.uniform(-0.2, 0.2, count))


def images_per_second(size: int, *, batches: int = 24) -> float:
    """Speed of `render` on all processors, one process each, batches of one shape."""
    draw = partial(_draw_batch, size)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(draw, range(os.cpu_count() or 1)))  # starts the processes
        start = time.perf_counter()
        list(pool.map(draw, range(batches)))
    return batches * SPEED_BATCH / (time.perf_counter() - start)


def _draw_batch(size: int, index: int) -> None:
    rng = np.random.default_rng(index)
    scenes = draw_scenes(SPEED_BATCH, rng, shape=index % len(SHAPES), neighbour_rate=0.3)
    render(scenes, rng, size=size)


def main() -> None:
    """Measures the speed."""
    parser = argparse.ArgumentParser(prog="python -m pocket.world", description="Measure drawing.")
    parser.add_argument("--speed", type=int, metavar="SIZE", required=True, help="in pixels")
    size = parser.parse_args().speed
    print(f"{images_per_second(size):,.0f} images of {size} pixels per second")


if __name__ == "__main__":
    main()
