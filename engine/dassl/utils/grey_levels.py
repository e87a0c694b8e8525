"""Grey pictures of more than 8 bits a pixel: which value is white."""

import numpy as np
from PIL import Image

DARKEST_MAXIMUM = 16  # a float picture of 0 to 255 whose brightest value is below it is refused
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # of TIFF
WIDENED = ("PNG", "PPM")  # formats of 16 bits, which some versions of Pillow open as 32


def is_deep_grey(image: Image.Image) -> bool:
    """Tell whether a picture has one channel of integers above 8 bits, or of floats."""
    return image.mode == "F" or image.mode.startswith("I")


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Return a picture of mode I, I;16* or F in mode L, where PIL would cut values off at 255.

    The scale is that of the kind of file, not of the picture: all of one kind have the same.

    - 16-bit integers: 65535 is white; in a TIFF of 12 bits 4095.
    - 32-bit integers, and signed ones of 16: 255 is white.
    - floats: 1 is white where none is above it, and 255 where the brightest is at least 16.

    Raises:
        ValueError: values are outside, so that nobody can know which is white.
    """
    values = np.asarray(image)
    if image.mode != "F" and (image.mode != "I" or image.format in WIDENED):
        white = 2 ** _tiff_tag(image, BITS_PER_SAMPLE, (16,))[0] - 1
        levels = values.clip(0, white).astype(np.int64) * 255 // white
    else:
        levels = np.floor(values * _scale(values) + 0.5)
    levels = levels.astype(np.uint8)
    is_inverted = _tiff_tag(image, PHOTOMETRIC, None) == WHITE_IS_ZERO
    return Image.fromarray(255 - levels if is_inverted else levels)


def _tiff_tag(image: Image.Image, tag: int, default: object) -> object:
    return image.tag_v2.get(tag, default) if image.format == "TIFF" else default


def _scale(values: np.ndarray) -> float:
    """What brings 32-bit values to 0 ... 255."""
    low, high = values.min(), values.max()
    is_float = values.dtype.kind == "f"
    if low >= 0 and high <= 255:
        if not is_float or high >= DARKEST_MAXIMUM or high == 0:
            return 1
        if high <= 1 and (values % 1).any():  # 0 and 1 alone may be black or black and white
            return 255
    advice = "Save it with 8 or 16 bits, all pictures of a set on one scale"
    if is_float and low >= 0 and high <= 1:
        raise ValueError(
            f"its floats are 0 and 1 alone, which may be black and white or two blacks. {advice}"
        )
    kind, known = "integers", "0 to 255"
    if is_float:
        kind, known = "floats", f"0 to 1, or 0 to 255 with one of {DARKEST_MAXIMUM} or more"
    raise ValueError(
        f"its {kind} are {low:g} to {high:g}; which of them is white is known only for {known}. "
        f"{advice}"
    )
