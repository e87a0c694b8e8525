"""How long the rest takes: medians of what has been measured of runs like those that are left."""

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable
from statistics import median

from protocols.cell import Cell


def is_evaluation(cell: Cell) -> bool:
    """Whether a cell trains nothing."""
    return "--eval-only" in cell.argv


class Timing:
    """Seconds of runs that have ended."""

    def __init__(self) -> None:
        self.measured: dict[tuple, list[float]] = defaultdict(list)

    def add(self, cell: Cell, seconds: float) -> None:
        """A run that took so long."""
        for key in _keys(cell):
            self.measured[key].append(seconds)

    def expected(self, cell: Cell) -> float | None:
        """Seconds of a run: as the same method's on its data set, else on others, else as any
        run's of its kind; None where nothing was measured.
        """
        return self._expected(_keys(cell))

    def left(self, cells: Iterable[Cell], workers: int) -> float | None:
        """Seconds until cells are done by so many workers; None where a kind was not measured."""
        alike = Counter(map(_keys, cells))
        times = [(self._expected(keys), number) for keys, number in alike.items()]
        if any(each is None for each, _ in times):
            return None
        return sum(each * number for each, number in times) / max(workers, 1)

    def _expected(self, keys: tuple) -> float | None:
        return next((median(self.measured[key]) for key in keys if key in self.measured), None)


def _keys(cell: Cell) -> tuple:
    kind = is_evaluation(cell)
    return (kind, cell.trainer, cell.dataset), (kind, cell.trainer), (kind,)


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds."""
    return str(datetime.timedelta(seconds=round(seconds)))
