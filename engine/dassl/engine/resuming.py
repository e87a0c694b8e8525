"""Which checkpoints of a run folder training goes on from."""

import contextlib
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dassl.utils.checkpoint_writer import BEST_NAME, POINTER_NAME
from dassl.utils.together import finish
from dassl.utils.torchtools import read_checkpoint_of_epoch, read_latest_checkpoint
from dassl.utils.whole_files import ABANDONED_SEC, sweep

Checkpoint = tuple[str, dict[str, Any]]  # path and content
_NUMBERED = re.compile(r"model\.pth\.tar-(\d+)")


def last_checkpoints(directory: str, names: Sequence[str]) -> dict[str, Checkpoint]:
    """Return each model's checkpoint of the last epoch that all have; none if there is none.

    These are the ones that the folders' `checkpoint` files name. Where those are apart, or missing,
    as in folders that Dassl left when it was killed, files are looked for by their numbers. First
    what a killed run had decided on is finished, and what it left half written is deleted.

    Raises:
        OSError: leftovers of a killed run cannot be dealt with, the folder is read-only.
        FileNotFoundError: a `checkpoint` file names a missing file.
        ValueError: a checkpoint is damaged.
    """
    finish(directory)
    folders = {name: os.path.join(directory, name) for name in names}
    for folder in (directory, *folders.values()):
        sweep(folder)
        _sweep_old_names(folder)
    if not all(os.path.exists(folder) for folder in folders.values()):
        return {}
    named = {
        name: read_latest_checkpoint(folder)
        for name, folder in folders.items()
        if os.path.isfile(os.path.join(folder, POINTER_NAME))
    }
    of_named = {name: checkpoint["epoch"] for name, (_, checkpoint) in named.items()}
    epoch = _last_common(folders, of_named)
    if epoch is None:
        return {}
    return {
        name: named[name]
        if of_named.get(name) == epoch
        else read_checkpoint_of_epoch(folder, epoch)
        for name, folder in folders.items()
    }


def _sweep_old_names(folder: str) -> None:
    """Delete what killed runs left under names that do not say whose they are, a day later."""
    for path in Path(folder).glob("*.tmp"):
        is_ours = path.stem in (POINTER_NAME, BEST_NAME) or _NUMBERED.fullmatch(path.stem)
        with contextlib.suppress(OSError):
            if is_ours and time.time() - path.stat().st_mtime > ABANDONED_SEC:
                path.unlink()


def _last_common(folders: dict[str, str], of_named: dict[str, int]) -> int | None:
    """The last epoch that all models have, of those up to what the pointers name."""
    limit = min(of_named.values(), default=None)
    common: set[int] | None = None
    for name, folder in folders.items():
        found = {int(match[1]) for match in map(_NUMBERED.fullmatch, os.listdir(folder)) if match}
        epochs = {epoch for epoch in found if limit is None or epoch <= limit}
        epochs |= {of_named[name]} if name in of_named else set()
        common = epochs if common is None else common & epochs
    return max(common, default=None) if common else None
