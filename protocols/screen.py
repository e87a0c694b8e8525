"""What a planner prints: all that its runs say, or their results alone while logs have the rest."""

import sys
from collections import Counter
from pathlib import Path
from typing import TextIO

from protocols import finished
from protocols.cell import Cell
from protocols.state import State
from protocols.timing import clock

RESULT = "Result: "


class Screen:
    """Standard output, and the logs of methods.

    Args:
        logs: folder of <method>.log, to which what its runs say is added; None prints it instead.
        prefix: each line of a log says whose it is, as of runs side by side.
    """

    def __init__(self, logs: str | None = None, *, prefix: bool = False) -> None:
        self.logs, self.prefix = logs, prefix
        self.files: dict[str, TextIO] = {}
        self.unfinished: dict[str, str] = {}  # of a cell, a line that has not ended

    def begin(self, states: dict[str, State], workers: int) -> None:
        """Says what there is to do, where more than one thing is."""
        if self.logs is not None or workers > 1:
            many = f"{workers} worker{'s' * (workers != 1)}"
            print(f"{len(states):,} runs: {counted(states)}; {many}", flush=True)

    def started(self, cell: Cell) -> None:
        """Says which log a method has, once."""
        if self.logs is not None and cell.trainer not in self.files:
            print(f"{cell.trainer} on {cell.dataset} (log: {self._log(cell).name})", flush=True)

    def said(self, cell: Cell, text: str) -> None:
        """A piece of a run's output."""
        if self.logs is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        *lines, rest = (self.unfinished.get(cell.name, "") + text).split("\n")
        self.unfinished[cell.name] = rest
        if not rest:
            del self.unfinished[cell.name]
        file = self._log(cell)
        for line in lines:
            file.write(f"[{cell.name}] {line}\n" if self.prefix else f"{line}\n")
            if line.startswith(RESULT):
                print(f"  {line.removeprefix(RESULT)}", flush=True)
        file.flush()

    def finished(self, cell: Cell, result: finished.Known) -> None:
        """A run that was finished before."""
        text = finished.words(cell, result)
        print(text if self.logs is None else f"  {text.rpartition(RESULT)[2]}", flush=True)

    def progress(self, states: dict[str, State], left_sec: float | None) -> None:
        """How far the whole is."""
        end = f"; about {clock(left_sec)} left" if left_sec else ""
        print(f"Progress: {counted(states)}{end}", flush=True)

    def close(self) -> None:
        """Ends the logs."""
        for file in self.files.values():
            file.close()

    def _log(self, cell: Cell) -> TextIO:
        if cell.trainer not in self.files:
            Path(self.logs).mkdir(parents=True, exist_ok=True)
            self.files[cell.trainer] = open(log_of(self.logs, cell.trainer), "a")
        return self.files[cell.trainer]


def log_of(folder: str, trainer: str) -> str:
    """Path of a method's log."""
    return f"{folder}/{trainer}.log"


def counted(states: dict[str, State]) -> str:
    """How many are in which state, those that are none left out."""
    numbers = Counter(states.values())
    order = (State.DONE, State.RUNNING, State.FAILED, State.BLOCKED, State.WAITING, State.STALE)
    return ", ".join(f"{numbers[state]:,} {state.value}" for state in order if numbers[state])
