"""Gives cells to a pool: each once what it needs is finished, and never one that others hold.

What is known of a cell stands in its folder, so that several planners may work on one output, on
one machine or on several that share the folder, and any of them may die. Cells that need the same
image features wait for the first of them, which makes these.
"""

import contextlib
import heapq
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from protocols import failure, finished
from protocols.cell import Cell, Plan
from protocols.pool import Ended, Pool, Said
from protocols.screen import Screen
from protocols.state import LOCK, LOCKS, State, state_of, with_blocked
from protocols.timing import Timing
from protocols.worker import Outcome
from run_files import RESULT
from whole_files import lock

SAY_SEC = 0.5  # at least between two lines of progress
POLL_SEC = 1.0  # how often it looks at what others hold


class Planner:
    """Carries out a plan.

    Args:
        plan: the cells.
        pool: of workers.
        screen: what is printed.
        retry: cells that failed before are tried again.

    Attributes:
        states: of each cell by name, as far as this planner knows.
        failures: of cells that failed, why.
    """

    def __init__(self, plan: Plan, pool: Pool, screen: Screen, *, retry: bool = False) -> None:
        self.pool, self.screen, self.retry = pool, screen, retry
        self.order = {cell.name: number for number, cell in enumerate(plan.cells)}
        self.cells = plan.cells
        self.states = {cell.name: State.WAITING for cell in plan.cells}
        self.failures: dict[str, str] = {}
        self.timing = Timing()
        self.begun: dict[str, float] = {}  # when a cell was started here
        self.has_news, self.said_at = False, 0.0
        self.elsewhere: dict[str, Cell] = {}  # cells that others hold
        self.looked_at = 0.0  # these
        self.missing = {cell.name: len(cell.needs) for cell in plan.cells}  # of what it needs
        self.followers: dict[str, list[Cell]] = defaultdict(list)
        for cell in plan.cells:
            for name in cell.needs:
                self.followers[name].append(cell)
        self.offered: set[str] = set()  # cells that are to be carried out here
        self.ready: list[int] = []  # of these a heap of places in the plan: nothing is missing
        self.made: set[str] = set()  # image features that somebody has made
        self.making: dict[str, list[Cell]] = {}  # that somebody makes, and who waits for them

    def run(self) -> None:
        """Until every cell is done or has failed, or waits for one that has.

        Raises:
            SystemExit: this process was told to end; all workers have ended.
        """
        try:
            self._look_at(self.cells)
            self.screen.begin(self.states, self.pool.size)
            while self.ready or self.begun or self.elsewhere:
                self._start()
                self._say()
                for event in self.pool.events(POLL_SEC):
                    self._take(event)
                if time.monotonic() - self.looked_at >= POLL_SEC:
                    self.looked_at = time.monotonic()
                    self._look_at(list(self.elsewhere.values()))
            self._say()
        finally:
            self.pool.close()

    def _look_at(self, cells: Iterable[Cell]) -> None:
        """Finds out what is to be done with cells that nobody here carries out."""
        for cell in cells:
            state = state_of(cell)
            is_first = cell.name not in self.elsewhere
            if state is State.RUNNING:
                self.elsewhere[cell.name] = cell
                self.states[cell.name] = state
                continue
            self.elsewhere.pop(cell.name, None)
            if state is State.FAILED and self.retry and is_first:
                failure.forget(cell)
                self._offer(cell)
            elif state is State.FAILED:
                known = failure.noted(cell)
                self._settle(cell, state, known.why if known else "")
            elif state is State.DONE and (result := finished.result_of(cell)):
                self.timing.add(cell, result.spent_sec)
                if finished.is_finished(cell, result):
                    _forget_dead(cell)
                    self.screen.finished(cell, result)
                    self._settle(cell, state)
                else:  # train.py says whether it is another run's
                    self._offer(cell)
            else:
                self._offer(cell)

    def _offer(self, cell: Cell) -> None:
        """It may be started as soon as what it needs is done."""
        self.states[cell.name] = State.WAITING
        self.offered.add(cell.name)
        if not self.missing[cell.name]:
            heapq.heappush(self.ready, self.order[cell.name])

    def _start(self) -> None:
        while self.ready and self.pool.is_free():
            cell = self.cells[heapq.heappop(self.ready)]
            awaited = next((key for key in cell.shares if key in self.making), None)
            if awaited and self.pool.size > 1:
                self.making[awaited].append(cell)
                continue
            for key in cell.shares:
                if key not in self.made:
                    self.making[key] = []
            self.states[cell.name] = State.RUNNING
            self.begun[cell.name] = time.monotonic()
            self.screen.started(cell)
            self.pool.start(cell)

    def _take(self, event: Said | Ended) -> None:
        cell = event.cell
        if isinstance(event, Said):
            self.screen.said(cell, event.text)
            return
        seconds = time.monotonic() - self.begun.pop(cell.name)
        self._features_are_there(cell, event.outcome is Outcome.DONE)
        if event.outcome is Outcome.ELSEWHERE:
            self.elsewhere[cell.name] = cell
            self.states[cell.name] = State.RUNNING
            self.looked_at = time.monotonic()
            return
        if event.outcome is Outcome.DONE:
            # Another planner may have finished it just before it was given out here.
            result = finished.result_of(cell)
            self.timing.add(cell, max(seconds, result.spent_sec if result else 0))
            self._settle(cell, State.DONE)
        else:
            _note_crash(cell, event.why)
            self._settle(cell, State.FAILED, event.why)
        self.has_news = True

    def _say(self) -> None:
        """How far it is, if something has ended."""
        now = time.monotonic()
        if self.has_news and (now - self.said_at > SAY_SEC or not self.begun):
            self.has_news, self.said_at = False, now
            states = with_blocked(self.cells, self.states)
            self.screen.progress(states, self._left(states))

    def _features_are_there(self, cell: Cell, is_done: bool) -> None:
        for key in cell.shares:
            if is_done:
                self.made.add(key)
            for waiting in self.making.pop(key, ()):
                heapq.heappush(self.ready, self.order[waiting.name])

    def _settle(self, cell: Cell, state: State, why: str = "") -> None:
        self.states[cell.name] = state
        if state is State.FAILED:
            self.failures[cell.name] = why
            return
        for follower in self.followers[cell.name]:
            self.missing[follower.name] -= 1
            if not self.missing[follower.name] and follower.name in self.offered:
                heapq.heappush(self.ready, self.order[follower.name])

    def _left(self, states: dict[str, State]) -> float | None:
        waiting = [cell for cell in self.cells
                   if states[cell.name] in (State.WAITING, State.RUNNING)]  # fmt: skip
        return self.timing.left(waiting, self.pool.size)


def _note_crash(cell: Cell, why: str) -> None:
    """Notes a failure that its process could not note, as one that was killed; not where another
    planner has taken the cell up meanwhile. A full disk may be why it failed.
    """
    with contextlib.suppress(lock.Held, OSError), lock.held(cell.folder, LOCK):
        if not failure.noted(cell) and not Path(cell.folder, RESULT).exists():
            failure.note(cell, why)


def _forget_dead(cell: Cell) -> None:
    """Deletes the locks that one who was killed has left in a finished folder."""
    if any(lock_name in name for name in os.listdir(cell.folder) for lock_name in LOCKS):
        for name in LOCKS:
            lock.forget_dead(cell.folder, name)
