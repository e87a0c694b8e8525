"""Rendering styles: pure functions of clean pictures [B, 3, S, S] in 0..1 and a generator."""

from collections.abc import Callable

import numpy as np

from pocket.vocabulary import STYLES

Array = np.ndarray
LUMA = (0.3, 0.59, 0.11)


def _grain(images: Array, rng: np.random.Generator, strength: float) -> Array:
    """Adds noise to `images`, which must be a copy, in place."""
    noise = rng.random((len(images), 1, *images.shape[2:]), dtype=np.float32)
    noise -= np.float32(0.5)
    noise *= np.float32(2 * strength)
    images += noise
    return images


def weighted(colors: Array, weights: tuple[float, float, float] = LUMA) -> Array:
    """Sum of the three channels of [B, 3, ...]; by default the perceived brightness.

    Written out, because a matrix product rounds differently from machine to machine.
    """
    red, green, blue = (np.float32(weight) for weight in weights)
    return colors[:, 0] * red + colors[:, 1] * green + colors[:, 2] * blue


def _blur(images: Array) -> Array:
    for axis in (2, 3):
        total, other = np.roll(images, 1, axis), np.roll(images, -1, axis)
        total += other
        total += np.multiply(images, 2, out=other)
        total /= 4
        images = total
    return images


def photo(images: Array, rng: np.random.Generator) -> Array:
    """Light grain and a random exposure."""
    exposure = 0.85 + 0.25 * rng.random((len(images), 1, 1, 1), dtype=np.float32)
    return _grain(images * exposure, rng, 0.03)


def murky(images: Array, rng: np.random.Generator) -> Array:
    """Blurred, with little contrast, under a brown haze."""
    haze = np.array([0.28, 0.26, 0.18], dtype=np.float32)[:, None, None]
    return _grain(_blur(_blur(images)) * 0.42 + haze * 0.58, rng, 0.03)


def sketch(images: Array, rng: np.random.Generator) -> Array:
    """Dark outlines over a thin wash of colour on paper."""
    tone = weighted(images, (0.8, 0.09, 0.31))  # equally bright colours have an edge, too
    edge = sum(np.abs(tone - np.roll(tone, 1, axis)) for axis in (1, 2))
    ink = np.clip(edge * 2.5, 0, 1)[:, None]
    return _grain((0.68 + images * 0.3) * (1 - ink), rng, 0.05)


def neon(images: Array, rng: np.random.Generator) -> Array:
    """Saturated and dark, with a glow."""
    grey = weighted(images)[:, None]
    bright = np.clip(grey + (images - grey) * 1.9, 0, 1) ** 2
    return _grain(bright * 0.85 + _blur(_blur(bright)) * 0.35, rng, 0.02)


def pixelated(images: Array, rng: np.random.Generator) -> Array:
    """Blocks of three by three pixels."""
    size = images.shape[-1]
    centres = np.minimum(np.arange(size) // 3 * 3 + 1, size - 1)
    return _grain(images[..., centres, :][..., centres], rng, 0.02)


def faded(images: Array, rng: np.random.Generator) -> Array:
    """Washed out towards a light grey."""
    return _grain(images * 0.4 + 0.52, rng, 0.03)


def tinted(images: Array, rng: np.random.Generator) -> Array:
    """Seen through a coloured glass."""
    glass = 0.45 + 0.55 * rng.random((len(images), 3, 1, 1), dtype=np.float32)
    return _grain(images * glass, rng, 0.03)


def noisy(images: Array, rng: np.random.Generator) -> Array:
    """Strong noise in each channel."""
    noise = rng.random(images.shape, dtype=np.float32) - np.float32(0.5)
    return images * 0.8 + 0.1 + noise * np.float32(0.6)


RENDERERS: tuple[Callable[[Array, np.random.Generator], Array], ...] = tuple(
    globals()[name] for name in STYLES
)
