"""Single image files."""

from PIL import Image, UnidentifiedImageError

from dassl.utils import read_image


def why_unreadable(path: str) -> str:
    """Why an image cannot be decoded, or its brightness not be told; "" if both can."""
    try:
        with Image.open(path) as image:
            image.load()
        if image.mode[0] in "IF":  # more than 8 bits: some values have no known brightness
            read_image(path)
    except UnidentifiedImageError:
        return "not an image, or of a format unknown to PIL"
    # PIL's ways to say damaged, and larger than it opens.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        return str(error).removeprefix(f'Cannot read image "{path}": ')
    return ""
