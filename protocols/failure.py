"""`failed.json` in a cell's folder: that its run failed, by which arguments, and how it ended.

It stands until the run is tried again; with other arguments in the folder, or before a result, it
says nothing. It is written under the lock of the cell alone.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from protocols.cell import Cell
from run_files import RESULT
from whole_files import replacing

NAME = "failed.json"
LAST_LINES = 5  # of the output


@dataclass(frozen=True)
class Failure:
    """How a run failed.

    Attributes:
        argv: of train.py.
        why: the end of what it said.
        time: when, with the time zone.
    """

    argv: tuple[str, ...]
    why: str
    time: str = ""


def note(cell: Cell, why: str) -> None:
    """Writes why a cell failed into its folder."""
    failure = Failure(cell.argv, why, time.strftime("%Y-%m-%d %H:%M:%S %z"))
    with replacing(Path(cell.folder, NAME)) as partial:
        partial.write_text(json.dumps(asdict(failure), indent=1) + "\n")


def forget(cell: Cell) -> None:
    """Deletes what is noted."""
    Path(cell.folder, NAME).unlink(missing_ok=True)


def noted(cell: Cell) -> Failure | None:
    """How this very run failed; None if it did not, has left a result since, or if what is noted
    cannot be read.
    """
    path = Path(cell.folder, NAME)
    try:
        content = json.loads(path.read_text())
        failure = Failure(tuple(content["argv"]), str(content["why"]), str(content["time"]))
        if failure.argv != cell.argv or _is_newer(path.with_name(RESULT), path):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return failure


def _is_newer(result: Path, note: Path) -> bool:
    try:
        return result.stat().st_mtime_ns >= note.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def reason(why: str) -> str:
    """The line that says why, of the end of an output: hints may stand behind it."""
    lines = why.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it did not say why"])[-1]


def end_of(output: str) -> str:
    """The last lines of an output, of a progress bar what stood last."""
    lines = [line.rpartition("\r")[2] for line in output.rstrip().split("\n")]
    return "\n".join(lines[-LAST_LINES:])
