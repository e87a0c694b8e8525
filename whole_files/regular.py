"""Whether what is there is a file: reading a pipe would wait for ever."""

import os
from pathlib import Path


def refuse_pipes(path: str | Path) -> None:
    """Raises ValueError if `path` is something else than a file; not if nothing is there."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{path} is no file, but a pipe, device or folder. Give a file.")
