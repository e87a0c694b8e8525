"""What exists in the pocket world: the attributes of a scene and the words for them."""

SHAPES = (
    "arrow", "circle", "crescent", "cross", "diamond", "heart",
    "hexagon", "oval", "ring", "square", "star", "triangle",
)  # fmt: skip

# sRGB in 0..1. The same names serve objects and backgrounds: a colour word alone does not say
# which of the two it means.
COLORS = {
    "black": (0.08, 0.08, 0.09),
    "blue": (0.12, 0.25, 0.85),
    "brown": (0.45, 0.26, 0.10),
    "green": (0.10, 0.60, 0.20),
    "orange": (0.97, 0.55, 0.08),
    "pink": (0.98, 0.55, 0.75),
    "purple": (0.50, 0.15, 0.65),
    "red": (0.85, 0.10, 0.12),
    "white": (0.95, 0.95, 0.93),
    "yellow": (0.95, 0.88, 0.15),
}

TEXTURES = ("banded", "checked", "dotted", "grainy", "plain", "striped")

SIZES = {"small": 0.42, "medium": 0.58, "large": 0.78}  # radius, in half image widths

STYLES = ("photo", "murky", "sketch", "neon", "pixelated", "faded", "tinted", "noisy")

COLOR_NAMES = tuple(COLORS)
SIZE_NAMES = tuple(SIZES)
