"""Small helpers: files, seeds, images, the environment."""

import json
import os
import platform
import random
import struct
import urllib.request
import warnings
import zlib
from collections.abc import Sequence
from difflib import SequenceMatcher
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image

from dassl.utils.file_kinds import what_it_is
from dassl.utils.grey_levels import is_deep_grey, to_eight_bits
from dassl.utils.registry import Registry

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "clip-anytorch", "dassl")

# PIL reports damaged files with many classes; callers need one.
_PIL_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, ArithmeticError,
    AttributeError, struct.error, zlib.error,
)  # fmt: skip

__all__ = [
    "mkdir_if_missing",
    "check_isfile",
    "read_json",
    "write_json",
    "set_random_seed",
    "download_url",
    "read_image",
    "collect_env_info",
    "listdir_nohidden",
    "get_most_similar_str_to_a_from_b",
    "build_registered",
    "check_availability",
    "tolist_if_not",
]


def mkdir_if_missing(dirname: str) -> None:
    """Create a folder and its parents unless it exists."""
    os.makedirs(dirname, exist_ok=True)


def check_isfile(fpath: str) -> bool:
    """Tell whether a file exists; warn if not."""
    isfile = os.path.isfile(fpath)
    if not isfile:
        warnings.warn(f'No file found at "{fpath}"', stacklevel=2)
    return isfile


def read_json(fpath: str) -> Any:
    """Return the content of a JSON file."""
    with open(fpath, encoding="utf-8") as file:
        return json.load(file)


def write_json(obj: Any, fpath: str) -> None:
    """Write `obj` as JSON (indent 4); create the folder if needed."""
    folder = os.path.dirname(fpath)
    if folder:
        mkdir_if_missing(folder)
    with open(fpath, "w", encoding="utf-8") as file:
        json.dump(obj, file, indent=4, separators=(",", ": "))


def set_random_seed(seed: int) -> None:
    """Seed python, numpy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)


def download_url(url: str, dst: str) -> None:
    """Download `url` to the file `dst`; an interrupted download leaves no file behind."""
    print(f"* url: {url}\n* destination: {dst}")
    partial = f"{dst}.part"
    try:
        urllib.request.urlretrieve(url, partial)
        os.replace(partial, dst)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def read_image(path: str, shorter_side: int = 0) -> Image.Image:
    """Read an image of any mode as RGB; opacity is left out, deep grey scaled, see `to_eight_bits`.

    Args:
        path: of the file.
        shorter_side: pixels that the image will be resized to. A large JPEG is then decoded at a
            half, quarter or eighth of its size, as long as twice that side is left and the pixels
            come out whole. 0: in full.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file is not a whole image that PIL can decode, or of unknown brightness.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe would wait for ever
        raise OSError(f'Cannot read image "{path}": it is no file, but a pipe, device or folder')
    try:
        with Image.open(path) as image:
            if is_deep_grey(image):
                image = to_eight_bits(image)
            elif image.mode in ("La", "RGBa"):  # multiplied by opacity, which convert does not undo
                image = image.convert(image.mode.upper())
            if shorter_side:
                _draft(image, shorter_side)
            image.info.pop("transparency", None)  # PIL would warn that RGB has none
            return image.convert("RGB")
    except FileNotFoundError:
        raise FileNotFoundError(f'Cannot read image "{path}": there is no such file') from None
    except (*_PIL_ERRORS, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if isinstance(error, PIL.UnidentifiedImageError):
            kind = what_it_is(path)
            reason = f"it is {kind}" if kind else "not an image, or of a format unknown to PIL"
        raise OSError(f'Cannot read image "{path}": {reason}') from error


def _draft(image: Image.Image, shorter_side: int) -> None:
    """Let the decoder shrink a JPEG that is not decoded yet; other formats ignore it."""
    width, height = image.size
    for scale in (8, 4, 2):
        fits = min(width, height) >= 2 * scale * shorter_side
        if fits and width % scale == height % scale == 0:  # or the picture would be shifted
            image.draft(None, (width // scale, height // scale))
            return


def collect_env_info() -> str:
    """Return what a bug report needs: system, python, packages, devices.

    Without torch's own description, which starts a dozen programs and takes seconds.
    """
    cuda = torch.version.cuda or "not built in"
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    lines = {
        "System": platform.platform(),
        "Processors": f"{os.cpu_count()} ({torch.get_num_threads()} threads)",
        "Python": platform.python_version(),
        "CUDA of torch": f"{cuda}, cuDNN {torch.backends.cudnn.version()}",
        "CUDA devices": ", ".join(devices) or "none",
    }
    lines |= {name: _version_of(name) for name in PACKAGES}
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines.items())


def _version_of(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def listdir_nohidden(path: str, sort: bool = False) -> list[str]:
    """List a folder without entries that start with a dot; in the system's order unless `sort`."""
    names = [name for name in os.listdir(path) if not name.startswith(".")]
    return sorted(names) if sort else names


def get_most_similar_str_to_a_from_b(a: str, b: Sequence[str]) -> str | None:
    """Return the string of `b` most like `a`; the later one of two equally like."""
    best, best_ratio = None, -1.0
    for candidate in b:
        ratio = SequenceMatcher(None, a, candidate).ratio()
        if ratio >= best_ratio:
            best, best_ratio = candidate, ratio
    return best


def check_availability(requested: str, available: Sequence[str]) -> None:
    """Check that `requested` is one of `available`.

    Raises:
        ValueError: it is not; the text names the most similar one.
    """
    if requested in available:
        return
    if not available:
        raise ValueError(
            f"[{requested}] was requested, but nothing is registered yet: "
            "import the module that defines it first."
        )
    nearest = get_most_similar_str_to_a_from_b(requested, available)
    raise ValueError(
        f"The requested one is expected to belong to {list(available)}, "
        f"but got [{requested}] (do you mean [{nearest}]?)"
    )


def build_registered(
    registry: Registry, name: str, /, *args: Any, announce: str = "", **kwargs: Any
) -> Any:
    """Make what is registered as `name`, called with the other arguments.

    Args:
        registry: where to look.
        name: under which it was registered.
        announce: words to print before the name; empty: print nothing.

    Raises:
        ValueError: nothing is registered under that name.
    """
    check_availability(name, registry.registered_names())
    if announce:
        print(f"{announce}: {name}")
    return registry.get(name)(*args, **kwargs)


def tolist_if_not(x: Any) -> list:
    """Return `x` if it is a list, else `[x]`."""
    return x if isinstance(x, list) else [x]
