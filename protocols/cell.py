"""A cell, one run of train.py, and the list of those that a command asks for."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)  # what no shell reads as anything else


@dataclass(frozen=True, slots=True)
class Cell:
    """One run.

    Attributes:
        name: what it is called: its folder below the output folder, which is nobody else's.
        folder: of its results.
        argv: arguments of train.py.
        trainer, dataset: of what it is a run.
        needs: names of cells that have to be finished first.
        line: name of the first cell of the command that prints it: cells of one line are printed
            as one process, with --then.
        shares: the image features that it makes or reads, as far as others may want them, too.
    """

    name: str
    folder: str
    argv: tuple[str, ...]
    trainer: str
    dataset: str
    needs: tuple[str, ...] = ()
    line: str = ""
    shares: tuple[str, ...] = ()


@dataclass
class Plan:
    """Cells in the order in which one process would carry them out.

    Attributes:
        cells: of them.
        refused: what has no cells, in words, and why.
    """

    cells: list[Cell] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def lines(self) -> Iterator[list[Cell]]:
        """Cells that are printed as one command."""
        found: dict[str, list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(cell.line or cell.name, []).append(cell)
        yield from found.values()


def cell_from(content: dict) -> Cell:
    """A cell that was written as JSON.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(content, dict):
        raise TypeError(f"{content!r} is no cell")
    lists = ("argv", "needs", "shares")
    return Cell(**{key: tuple(value) if key in lists else value for key, value in content.items()})


def joined(cells: Iterable[Cell]) -> list[str]:
    """The arguments of train.py for cells that share a process."""
    words: list[str] = []
    for cell in cells:
        words += [*(["--then"] if words else []), *cell.argv]
    return words


def shown(words: Iterable[str]) -> str:
    """A command of train.py as it can be given to a shell."""
    return " ".join(["python train.py", *(word if PLAIN.fullmatch(word) else shlex.quote(word)
                                          for word in words)])  # fmt: skip


def together(plans: Iterable[Plan]) -> Plan:
    """The cells of several plans; one that is in several of them, as a shared training, once.

    Raises:
        ValueError: two cells of other arguments would write into one folder.
    """
    whole, known = Plan(), {}
    for plan in plans:
        whole.refused += plan.refused
        for cell in plan.cells:
            before = known.setdefault(cell.name, cell)
            if before is cell:
                whole.cells.append(cell)
            elif before.argv != cell.argv:
                raise ValueError(
                    f"two runs of other settings would write into {cell.folder}: "
                    f"{shown(before.argv)} and {shown(cell.argv)}. Name each once."
                )
    return whole
