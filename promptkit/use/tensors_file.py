"""Writing a safetensors file: whole or not there, and its errors are the system's."""

import errno
import os
import re
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from promptkit.files import replacing


def write_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Writes named tensors and what is said of them.

    Raises:
        ValueError: `path` is a file of another kind, which would be lost.
        OSError: the folder cannot be made or written, or the disk is full; names `path`.
    """
    if path.exists() and not _is_safetensors(path):
        raise ValueError(f"{path} is there and is no safetensors file: choose another name.")
    with replacing(path) as partial:
        try:
            save_file(tensors, partial, metadata)
        except SafetensorError as error:  # it has the system's error in words alone
            found = re.search(r"os error (\d+)", str(error))
            number = int(found[1]) if found else errno.EIO
            raise OSError(number, os.strerror(number)) from error


def _is_safetensors(path: Path) -> bool:
    try:
        with safe_open(path, "pt"):
            return True
    except (SafetensorError, OSError):
        return False
