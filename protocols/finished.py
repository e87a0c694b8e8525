"""Whether a run is finished, asked without a process of its own.

As train.py asks first: the result is of these very arguments, and the files that it read are
unchanged. Where this does not know, train.py compares settings. A checksum is computed once.
"""

import hashlib
import os
import time
from functools import lru_cache
from pathlib import Path

import msgspec

from protocols.cell import Cell
from protocols.places import PROJECT
from run_files import RESULT
from run_files.result import Inputs, Metrics, Seconds

FRESH_SEC = 2.0  # how long a file is taken to be as it was found


class Known(msgspec.Struct, frozen=True):
    """What is read of a result."""

    trainer: str
    dataset: str
    subset: str
    seed: int
    metrics: Metrics
    inputs: Inputs
    seconds: Seconds = Seconds()
    step_sec: float | None = None

    @property
    def spent_sec(self) -> float:
        """In training and test."""
        return (self.seconds.train or 0) + (self.seconds.test or 0)


def result_of(cell: Cell) -> Known | None:
    """The result in a cell's folder; None where there is none that can be read."""
    try:
        return msgspec.json.decode(Path(cell.folder, RESULT).read_bytes(), type=Known)
    except (OSError, msgspec.DecodeError):
        return None


def is_finished(cell: Cell, result: Known) -> bool:
    """Whether the result is of the cell's arguments and of files as they are."""
    files = result.inputs.files
    return (
        tuple(result.inputs.argv) == cell.argv
        and bool(files)
        and all(_checksum(path) == value for path, value in files.items())
    )


def is_done(cell: Cell) -> bool:
    """Whether there is such a result; where not, train.py may still find that settings agree."""
    result = result_of(cell)
    return result is not None and is_finished(cell, result)


def words(cell: Cell, result: Known) -> str:
    """What train.py says of a finished run."""
    return (
        f"Finished before, left as it is.\nResult: {result.trainer} on {result.dataset}, "
        f"{result.subset} classes, seed {result.seed}: {result.metrics.accuracy:.2f} % "
        f"({cell.folder})"
    )


def _checksum(path: str) -> str | None:
    return _asked(path, int(time.monotonic() / FRESH_SEC))


@lru_cache(maxsize=1 << 14)
def _asked(path: str, period: int) -> str | None:
    """Once a period, since many results name the same files."""
    try:
        status = os.stat(PROJECT / path)
    except OSError:
        return None
    return _computed(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1 << 14)
def _computed(path: str, changed_ns: int, size: int) -> str:
    return hashlib.sha256((PROJECT / path).read_bytes()).hexdigest()
