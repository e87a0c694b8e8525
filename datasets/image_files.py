"""Single image files."""

from dassl.utils import read_image

ALMOST_BLACK = 16  # of 256 levels


def examine(path: str) -> tuple[str, bool]:
    """What is wrong with an image, and whether it may have come out too dark.

    Returns:
        Why it cannot be decoded or its brightness not be told, "" if both can; and whether no
        pixel of it reaches level 16 of 255 as it is read: its white may be lower than its kind's.
    """
    try:
        image = read_image(path)
    except OSError as error:
        return str(error).removeprefix(f'Cannot read image "{path}": '), False
    return "", max(high for _, high in image.getextrema()) < ALMOST_BLACK
