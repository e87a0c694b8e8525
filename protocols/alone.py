"""One cell without a planner, as a task of Slurm's arrays has it."""

import time
from collections.abc import Mapping

from protocols import failure, finished
from protocols.cell import Cell
from protocols.state import State, state_of
from protocols.worker import Outcome, carry_out

POLL_SEC = 5.0  # how often it looks at what somebody else holds


def carry_out_alone(cell: Cell, known: Mapping[str, Cell]) -> int:
    """Carries out a cell; the exit code.

    One that somebody else holds is awaited and, where they die, taken over: the node of a task that
    Slurm has queued again may be dead while its lock still counts as alive.

    Args:
        cell: that one; what is noted of an earlier failure is forgotten.
        known: cells by name, with all that it needs.

    Raises:
        ValueError: what it needs is not done.
    """
    for name in cell.needs:
        if not _is_there(known[name]):
            raise ValueError(f"{name} is not done, and {cell.name} needs it")
    if state_of(cell) is State.FAILED:
        failure.forget(cell)
    is_said = False
    while (outcome := _attempt(cell)) is Outcome.ELSEWHERE:
        if not is_said:
            print(f"{cell.name} is held by somebody else: waiting for their end", flush=True)
        is_said = True
        time.sleep(POLL_SEC)
    return int(outcome is not Outcome.DONE)


def _attempt(cell: Cell) -> Outcome:
    return Outcome.ELSEWHERE if state_of(cell) is State.RUNNING else carry_out(cell)


def _is_there(cell: Cell) -> bool:
    """Of a result that is not known to be of these arguments and files, train.py is asked."""
    if finished.is_done(cell):
        return True
    return state_of(cell) is State.DONE and carry_out(cell) is Outcome.DONE
