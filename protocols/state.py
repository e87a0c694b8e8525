"""The state of a cell, which is what stands in its folder: nothing else is kept of it.

running   somebody who lives holds its lock, or its run's
failed    failed.json is of these arguments, and no result came later
done      there is a result; train.py leaves it as it is, or says that it is of other settings
stale     it was begun by somebody who has died: it is gone on with
waiting   none of these
blocked   one that waits for one that has failed: said of several cells alone, by `with_blocked`
"""

import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from protocols import failure
from protocols.cell import Cell
from run_files import RESULT
from whole_files import lock

LOCK = "cell.lock"  # of who carries out the cell; run.lock is of the run within
LOCKS = (LOCK, lock.NAME)


class State(Enum):
    """See the file."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STALE = "stale"
    BLOCKED = "blocked"


def state_of(cell: Cell) -> State:
    """The state of a cell."""
    try:
        names = os.listdir(cell.folder)
    except (FileNotFoundError, NotADirectoryError):
        return State.WAITING
    alive = [lock.is_alive(Path(cell.folder, name)) for name in LOCKS if name in names]
    if True in alive:
        return State.RUNNING
    if failure.NAME in names and failure.noted(cell):
        return State.FAILED
    if RESULT in names:
        return State.DONE
    return State.STALE if False in alive else State.WAITING


def with_blocked(cells: Sequence[Cell], states: dict[str, State]) -> dict[str, State]:
    """States by name in which those that nothing will start, behind a failed one, are blocked."""
    ends = {name for name, state in states.items() if state is State.FAILED}
    found: dict[str, State] = {}
    while ends:
        behind = [cell.name for cell in cells if states[cell.name] is State.WAITING
                  and cell.name not in found and not ends.isdisjoint(cell.needs)]  # fmt: skip
        found |= dict.fromkeys(behind, State.BLOCKED)
        ends = set(behind)
    return states | found
