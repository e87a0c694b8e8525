"""Signed distance functions: negative inside a shape, positive outside, in units of its radius.

Each takes two arrays of object coordinates (x to the right, y up, the shape within about [-1, 1])
and uses only correctly rounded arithmetic, so that every machine draws the same pixels.
"""

from collections.abc import Callable

import numpy as np

from pocket.vocabulary import SHAPES

Array = np.ndarray


def _length(x: Array, y: Array) -> Array:
    return np.sqrt(x * x + y * y)


def _spike(x: Array, y: Array, *, tip: float, base: float, half_width: float) -> Array:
    """An isosceles triangle that points up, from height `base` to height `tip`."""
    slope = half_width / (tip - base)
    side = (np.abs(x) + (y - tip) * np.float32(slope)) / np.float32((1 + slope**2) ** 0.5)
    return np.maximum(side, base - y)


def _box(x: Array, y: Array, half_width: float, half_height: float) -> Array:
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def arrow(x: Array, y: Array) -> Array:
    """A head above a shaft."""
    head = _spike(x, y, tip=0.95, base=0.0, half_width=0.85)
    return np.minimum(head, _box(x, y + 0.45, 0.26, 0.5))


def circle(x: Array, y: Array) -> Array:
    """A disc."""
    return _length(x, y) - 0.88


def crescent(x: Array, y: Array) -> Array:
    """A disc without a shifted disc."""
    return np.maximum(_length(x, y) - 0.92, 0.72 - _length(x - 0.42, y - 0.12))


def cross(x: Array, y: Array) -> Array:
    """Two bars at right angles."""
    return np.minimum(_box(x, y, 0.28, 0.92), _box(x, y, 0.92, 0.28))


def diamond(x: Array, y: Array) -> Array:
    """A rhombus, taller than wide."""
    return (np.abs(x) / np.float32(0.6) + np.abs(y) - 1) * np.float32(0.51)


def heart(x: Array, y: Array) -> Array:
    """Two lobes above a tip."""
    lobes = _length(np.abs(x) - 0.42, y - 0.32) - 0.5
    tip = _spike(x, -y, tip=0.92, base=-0.3, half_width=1.0)
    return np.minimum(lobes, tip)


def hexagon(x: Array, y: Array) -> Array:
    """A regular hexagon with flat top and bottom."""
    return np.maximum(np.abs(x) * np.float32(0.866) + np.abs(y) * 0.5, np.abs(y)) - 0.8


def oval(x: Array, y: Array) -> Array:
    """An ellipse, wider than tall (distance approximate away from the edge)."""
    return (_length(x / np.float32(0.96), y / np.float32(0.5)) - 1) * 0.5


def ring(x: Array, y: Array) -> Array:
    """A disc with a round hole."""
    return np.abs(_length(x, y) - 0.68) - 0.22


def square(x: Array, y: Array) -> Array:
    """A square with sides along the axes."""
    return _box(x, y, 0.76, 0.76)


def star(x: Array, y: Array) -> Array:
    """Five spikes around the centre."""
    distance = _spike(x, y, tip=1.0, base=0.0, half_width=0.36)
    for turn in range(1, 5):
        cos, sin = np.float32(np.cos(0.4 * np.pi * turn)), np.float32(np.sin(0.4 * np.pi * turn))
        spike = _spike(cos * x - sin * y, sin * x + cos * y, tip=1.0, base=0.0, half_width=0.36)
        distance = np.minimum(distance, spike)
    return distance


def triangle(x: Array, y: Array) -> Array:
    """An equilateral triangle that points up."""
    return np.maximum(np.abs(x) * np.float32(0.866) + y * 0.5, -y) - 0.5


DISTANCES: tuple[Callable[[Array, Array], Array], ...] = tuple(globals()[name] for name in SHAPES)
