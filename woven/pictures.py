"""Codes to pixels: a picture is a texture that is woven from a code, on a ground that says nothing.

A code [E] gives one tile of TILE x TILE pixels by fixed fields, the tile is repeated over the
picture, shifted by a pixel at most, and seen through an opening of random size and place; around it
is a texture of other fixed fields with a random code. Over everything lie smooth fields of light, a
contrast, a brightness, and pixel noise. Everything that is random comes from the generator.
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

IMAGE_SIZE, TILE = 32, 16
CODE = 128  # E, the joint space of the weights
SEED = 20_262  # of the fixed fields


@dataclass(frozen=True)
class Looks:
    """What varies from picture to picture besides its code; the card measures what it costs."""

    texture: float = 0.16  # standard deviation of the woven pixels
    ground: float = 0.12  # of the ground's
    shift: int = 1  # pixels, either way, by which the tiles are moved
    opening: tuple[float, float] = (0.55, 1.1)  # half width of the opening, of half the picture
    light: float = 0.08  # standard deviation of the smooth fields together
    contrast: tuple[float, float] = (0.7, 1.2)
    brightness: float = 0.06
    noise: float = 0.02
    grey: float = 0.0  # share of the colour that is taken away
    levels: int = 256  # of each colour


PHOTO = Looks()
LOOKS = {
    "photo": PHOTO,
    "sketch": Looks(grey=0.6, light=0.04, contrast=(0.9, 1.4)),
    "small": Looks(opening=(0.4, 0.6), ground=0.16),
    "rendition": Looks(levels=5, contrast=(1.0, 1.5), noise=0.0),
}


@functools.cache
def _fields() -> tuple[Tensor, Tensor, Tensor]:
    """Of codes and of grounds, each [CODE, TILE * TILE * 3] with orthonormal rows; of light.

    A code's fields are waves of low frequency that end where the next tile begins, mixed by a
    rotation, so that a small shift is a small change; a ground's are any.
    """
    rng = torch.Generator().manual_seed(SEED)
    turn = 2 * torch.pi * torch.arange(TILE, dtype=torch.float64) / TILE
    half = [(y, x) for y in range(5) for x in range(-4, 5) if (y, x) > (0, 0)]
    waves = []
    for y, x in sorted(half, key=lambda wave: (wave[0] ** 2 + wave[1] ** 2, wave)):
        phase = y * turn[:, None] + x * turn[None]
        for field in (phase.cos(), phase.sin()):
            for colour in torch.eye(3, dtype=torch.float64):
                wave = field[..., None] * colour
                waves.append(wave.flatten() / wave.norm())
    code = _rotation(CODE, rng) @ torch.stack(waves[:CODE])
    ground = _rotation(TILE * TILE * 3, rng)[:CODE]
    grid = (torch.arange(IMAGE_SIZE) + 0.5) / IMAGE_SIZE
    waves = torch.stack([torch.cos(torch.pi * k * grid) for k in range(4)])
    light = torch.einsum("iy,jx->ijyx", waves, waves).reshape(16, IMAGE_SIZE, IMAGE_SIZE)
    return code.float(), ground.float(), light[1:]  # without the constant


def _rotation(size: int, rng: torch.Generator) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=rng, dtype=torch.float64)).Q


def _weave(codes: Tensor, fields: Tensor, shift: Tensor) -> Tensor:
    """Textures [B, S, S, 3] of codes [B, CODE], each moved by its `shift` [B, 2] in pixels."""
    tiles = (codes @ fields).reshape(-1, TILE, TILE, 3)
    place = torch.arange(IMAGE_SIZE)
    rows = (place[None] - shift[:, :1]) % TILE
    columns = (place[None] - shift[:, 1:]) % TILE
    each = torch.arange(len(codes))[:, None, None]
    return tiles[each, rows[:, :, None], columns[:, None, :]]


def weave(codes: Tensor, generator: torch.Generator, looks: Looks = PHOTO) -> Tensor:
    """Draws pictures.

    Args:
        codes: unit vectors [B, CODE].
        generator: what all else comes from.

    Returns:
        uint8 [B, IMAGE_SIZE, IMAGE_SIZE, 3].
    """
    of_codes, of_grounds, of_light = _fields()
    count = len(codes)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    def shifts(most: int) -> Tensor:
        return torch.randint(-most, most + 1, (count, 2), generator=generator)

    scale = (TILE * TILE * 3) ** 0.5  # a unit code then has pixels of unit standard deviation
    texture = looks.texture * scale * _weave(codes, of_codes, shifts(looks.shift))
    grounds = F.normalize(normal(CODE), dim=-1)
    ground = looks.ground * scale * _weave(grounds, of_grounds, shifts(TILE // 2))
    opening = _openings(uniform(*looks.opening, 2), uniform(-0.3, 0.3, 2))
    picture = ground + opening[..., None] * (texture - ground)
    light = torch.einsum("bk,kyx->byx", normal(len(of_light)), of_light)
    picture = picture + looks.light * (2 / len(of_light) ** 0.5) * light[..., None]
    picture = picture + looks.grey * (picture.mean(-1, keepdim=True) - picture)
    picture = picture * uniform(*looks.contrast, 1, 1, 1)
    picture = picture + 0.5 + looks.brightness * normal(1, 1, 1)
    picture = picture + looks.noise * normal(IMAGE_SIZE, IMAGE_SIZE, 3)
    steps = looks.levels - 1
    return ((picture.clamp(0, 1) * steps).round() * (255 / steps)).round().to(torch.uint8)


def _openings(half: Tensor, centre: Tensor) -> Tensor:
    """Soft openings [B, S, S] in 0 ... 1 of half axes and centres [B, 2]; a picture is -1 ... 1."""
    place = (torch.arange(IMAGE_SIZE) + 0.5) / IMAGE_SIZE * 2 - 1
    y = (place[None] - centre[:, :1]) / half[:, :1]
    x = (place[None] - centre[:, 1:]) / half[:, 1:]
    radius = (y[:, :, None] ** 4 + x[:, None, :] ** 4) ** 0.25
    return torch.sigmoid((1 - radius) * 12)
