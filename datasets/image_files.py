"""Single image files."""

from PIL import Image, UnidentifiedImageError

from dassl.utils import read_image
from datasets.text_files import HEAD, what_else

ALMOST_BLACK = 16  # of 256 levels


def examine(path: str) -> tuple[str, bool]:
    """What is wrong with an image, and whether it may have come out too dark.

    Returns:
        Why it cannot be decoded or its brightness not be told, "" if both can; and whether it is of
        more than 8 bits and almost black as it is read: its white may be lower than its kind's.
    """
    try:
        with Image.open(path) as image:
            image.load()
        if image.mode[0] not in "IF":
            return "", False
        return "", max(high for _, high in read_image(path).getextrema()) < ALMOST_BLACK
    except UnidentifiedImageError:
        return _what_it_is(path), False
    # PIL's ways to say damaged, and larger than it opens.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        return str(error).removeprefix(f'Cannot read image "{path}": '), False


def _what_it_is(path: str) -> str:
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        return "it is empty"
    what = what_else(head)
    return f"it is {what}" if what else "not an image, or of a format unknown to PIL"
