"""How far a run is that is being carried out, from the end of its newest log."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from protocols.cell import Cell
from run_files import LOG

EPOCH = re.compile(rb"^epoch \[(\d+)/(\d+)\].*?(?: eta ((?:\d+ days?, )?\d+:\d\d:\d\d))?\r?$", re.M)
ETA = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")
END_BYTES = 1 << 13


@dataclass(frozen=True)
class Progress:
    """Of a training.

    Attributes:
        epoch, of: the epoch that is on, and how many there are.
        left_sec: by the steps measured; None where the log does not say.
    """

    epoch: int
    of: int
    left_sec: float | None


def progress_of(cell: Cell) -> Progress | None:
    """How far a training is; None where its log says nothing of epochs."""
    try:
        # A run that is gone on with has a log of its own, log.txt-<time>.
        logs = Path(cell.folder).glob(f"{LOG}*")
        newest = max(logs, key=lambda path: path.stat().st_mtime_ns, default=None)
        if newest is None:
            return None
        with open(newest, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - END_BYTES, 0))
            found = EPOCH.findall(file.read())
    except OSError:
        return None
    if not found:
        return None
    epoch, of, _ = found[-1]
    last = next((eta for *_, eta in reversed(found) if eta), b"").decode()
    return Progress(int(epoch), int(of), seconds(last) if last else None)


def seconds(text: str) -> float:
    """Of a time as logs write it: 1:02:03, or 2 days, 1:02:03."""
    days, *clock = (int(part or 0) for part in ETA.fullmatch(text).groups())
    return ((days * 24 + clock[0]) * 60 + clock[1]) * 60 + clock[2]
