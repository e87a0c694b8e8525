"""Textures: how much of a second tone each pixel of an object takes."""

import numpy as np

from pocket.vocabulary import TEXTURES

Array = np.ndarray


def _wave(position: Array, period: float) -> Array:
    """A square wave with soft edges, 0..1, over a position in pixels."""
    phase = position / np.float32(period)
    phase -= np.floor(phase)
    return np.clip((0.25 - np.abs(phase - 0.5)) * np.float32(period) + 0.5, 0, 1)


def shade_of(texture: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    """How much of the second tone each pixel takes, [n, S, S] in 0..1; x and y in pixels."""
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
    shade *= np.float32(0.9)
    return shade
