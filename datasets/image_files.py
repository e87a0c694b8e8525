"""Single image files."""

from PIL import Image, UnidentifiedImageError


def why_unreadable(path: str) -> str:
    """Why an image cannot be decoded; "" if it can."""
    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError:
        return "not an image, or of a format unknown to PIL"
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # PIL's ways to say damaged
        return str(error)
    return ""
