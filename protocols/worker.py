"""Carries out cells in this process, one after the other, each under its lock."""

import gc
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from enum import Enum
from typing import TextIO

from protocols import failure
from protocols.cell import Cell, cell_from
from protocols.state import LOCK
from protocols.tail import tail_kept
from whole_files import lock


class Outcome(Enum):
    """How a cell ended here.

    ELSEWHERE: somebody else holds it, and nothing was done. BROKEN: by a mistake in the code,
    which says nothing of the process any more: it is to be replaced.
    """

    DONE = "done"
    FAILED = "failed"
    ELSEWHERE = "elsewhere"
    BROKEN = "broken"


def carry_out(cell: Cell) -> Outcome:
    """Carries out one run; what it says goes to stdout and stderr, and its end, where the run
    fails, into failed.json. Whoever tries a failed one again deletes that first: one that is there
    now is of somebody else's attempt since, and stands for this one, too.
    """
    try:
        with lock.held(cell.folder, LOCK):
            if known := failure.noted(cell):
                print(known.why, file=sys.stderr)
                return Outcome.FAILED
            failure.forget(cell)  # of other arguments
            with tail_kept() as tail:
                outcome = _run(cell)
            if outcome is not Outcome.DONE:
                failure.note(cell, tail.end())
            return outcome
    except lock.Held:
        return Outcome.ELSEWHERE
    except OSError as error:  # no folder can be made, the disk is full
        print(f"error: {error.filename or cell.folder}: {error.strerror}", file=sys.stderr)
        return Outcome.FAILED


def _run(cell: Cell) -> Outcome:
    import train

    sys.argv = ["train.py", *cell.argv]  # what its result records
    try:
        code = train.main(list(cell.argv))
    except SystemExit as end:
        if end.code in (128 + signal.SIGTERM, 128 + signal.SIGINT):
            raise  # this process is ended: the run is gone on with
        code = 1  # argparse has said why
    except Exception:
        traceback.print_exc()
        return Outcome.BROKEN
    finally:
        gc.collect()
        if (torch := sys.modules.get("torch")) and torch.cuda.is_initialized():
            torch.cuda.empty_cache()  # others may share the GPU
    return Outcome.FAILED if code else Outcome.DONE


def serve(orders: TextIO, answer: Callable[[Outcome], None]) -> None:
    """Carries out the cells that come as lines of JSON until there are no more.

    Where the lines end amid a run the planner has died: this process ends as by SIGTERM, so that
    the run's last checkpoint stays and the next planner goes on from it.
    """
    inbox: queue.SimpleQueue[Cell | None] = queue.SimpleQueue()
    is_busy = threading.Event()

    def listen() -> None:
        for line in orders:
            is_busy.set()
            inbox.put(cell_from(json.loads(line)))
        if is_busy.is_set():
            os.kill(os.getpid(), signal.SIGTERM)
        inbox.put(None)

    threading.Thread(target=listen, daemon=True).start()
    while (cell := inbox.get()) is not None:
        outcome = carry_out(cell)
        is_busy.clear()
        sys.stdout.flush()
        sys.stderr.flush()
        answer(outcome)
        if outcome is Outcome.BROKEN:
            return
