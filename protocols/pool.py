"""What a planner asks of those that carry out cells, wherever they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from protocols.cell import Cell
from protocols.worker import Outcome


@dataclass(frozen=True)
class Said:
    """A piece of a cell's output."""

    cell: Cell
    text: str


@dataclass(frozen=True)
class Ended:
    """The end of a cell; `why` is the end of its output where it failed."""

    cell: Cell
    outcome: Outcome
    why: str = ""


class Pool(Protocol):
    """Carries out cells.

    Attributes:
        size: how many at a time.
    """

    size: int

    def is_free(self) -> bool:
        """Whether another cell can be started."""

    def start(self, cell: Cell) -> None:
        """Begins a cell; one that is free."""

    def events(self, timeout_sec: float) -> Iterator[Said | Ended]:
        """What has happened; waits for at most this long if nothing has."""

    def close(self) -> None:
        """Ends all workers: those amid a run end as by SIGTERM, and are awaited."""
