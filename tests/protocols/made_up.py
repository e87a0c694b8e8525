"""Runs that are made up: a `train.main` of milliseconds that keeps a journal, and cells of it."""

import os
import signal
import time
from pathlib import Path

from promptkit.files import checksum
from protocols.cell import Cell, Plan
from protocols.local_pool import LocalPool
from protocols.places import PROJECT
from protocols.planner import Planner
from protocols.pool import Ended
from protocols.screen import Screen
from protocols.worker import Outcome
from whole_files import replacing
from whole_files.processes import is_gone, this_process

CODES = {"fails": 1, "misspelt": 2}


class Instant:
    """A pool whose runs take no time."""

    size = 8

    def __init__(self) -> None:
        self.started = []

    def is_free(self) -> bool:
        return len(self.started) < self.size

    def start(self, cell) -> None:
        self.started.append(cell)

    def events(self, timeout_sec: float):
        while self.started:
            yield Ended(self.started.pop(), Outcome.DONE)

    def close(self) -> None:
        pass


def cell(output: Path, name: str, *words: str, needs: tuple = (), shares: tuple = ()) -> Cell:
    """A cell of a made-up run; words say what it does."""
    folder = f"{output}/{name}"
    return Cell(name, folder, ("--output-dir", folder, *words), "Made", "up", needs, name, shares)


def main(argv: list[str]) -> int:
    """In the place of train.main: leaves a result, once; notes in the journal what happens."""
    _, folder, *words = argv
    result, inside = Path(folder, "result.json"), Path(folder, "inside")
    if result.exists():
        return 0
    if inside.exists() and not is_gone(inside.read_text()):
        note(folder, "two at once")
    with replacing(inside) as partial:
        partial.write_text(this_process())
    note(folder, "begun")
    for word in words:
        if word == "kills itself":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "raises":
            raise RuntimeError("a mistake")
        elif word == "misspelt":
            raise SystemExit(2)
        elif word == "fails":
            print("first line\nerror: it does not work")
            return 1
        else:
            time.sleep(float(word))
    with replacing(result) as partial:
        partial.write_text("{}")
    inside.unlink()
    note(folder, "ended")
    return 0


def on_ray(cell: Cell) -> tuple[str, str]:
    """In the place of ray_pool.task, in a worker of the cluster."""
    import train
    from protocols import ray_pool

    train.main = main
    return ray_pool.task(cell)


def note(folder: str, what: str) -> None:
    """Adds a line to the journal beside the folder."""
    with open(Path(folder).parent / "journal", "a") as file:
        file.write(f"{Path(folder).name} {what} {os.getpid()}\n")


def result_of(one: Cell, **more) -> dict:
    """A result of exactly this cell, which is_finished takes for finished."""
    inputs = {"argv": one.argv, "files": {"train.py": checksum(PROJECT / "train.py")}}
    metrics = {"accuracy": 50.0, "error_rate": 50.0, "macro_f1": 50.0}
    named = {"trainer": one.trainer, "dataset": one.dataset, "subset": "all", "seed": 1}
    return {**named, "metrics": metrics, "inputs": inputs, **more}


def journal(output: Path) -> list[tuple[str, ...]]:
    """Its lines: cell, what, process."""
    path = output / "journal"
    lines = path.read_text().splitlines() if path.exists() else ()
    return [(line.split()[0], " ".join(line.split()[1:-1]), line.split()[-1]) for line in lines]


def planned(cells: list[Cell], jobs: int = 1, *, retry: bool = False) -> Planner:
    """A planner that has carried out cells with so many workers here."""
    planner = Planner(Plan(cells), LocalPool([{}] * jobs), Screen(), retry=retry)
    planner.run()
    return planner
