"""`python -m protocols estimate plan.yaml`: what a plan would take, before it is run.

One short run of each method is carried out here and measured; the others are taken to cost as many
steps and test images more as they have. What is frozen is encoded once and then read, so that the
passes that are counted are an upper bound, and so are the hours.
"""

import os
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from protocols import failure, finished, gpus
from protocols.cell import Cell, Plan
from protocols.local_pool import LocalPool
from protocols.methods import has_frozen_images, is_on_features
from protocols.planner import Planner
from protocols.recipes import value_in
from protocols.screen import Screen
from protocols.sizes import Size, size_of
from protocols.state import State
from protocols.status import aligned
from protocols.timing import clock, is_evaluation
from run_files import LOGITS

EPOCHS, SHOTS = "OPTIM.MAX_EPOCH", "DATASET.NUM_SHOTS"
BATCH = "DATALOADER.TRAIN_X.BATCH_SIZE"
LOGIT_BYTES = 2  # kept in half precision as a rule


@dataclass(frozen=True)
class Work:
    """What a cell has to do: its classes, test images, training images an epoch, epochs, steps."""

    tests: int
    classes: int
    images: int
    epochs: int
    steps: int


@dataclass(frozen=True)
class Measured:
    """What a short run took: around it, in training, of a step, in its test; and on the disk."""

    work: Work
    setup_sec: float
    train_sec: float
    step_sec: float | None
    test_sec: float
    folder_bytes: int


def value(cell: Cell, key: str, default: str) -> str:
    """The last value of a key or flag in a cell's arguments."""
    found = default
    for name, given in zip(cell.argv, cell.argv[1:], strict=False):
        found = given if name == key else found
    return found


def number(cell: Cell, key: str, default: str) -> int:
    """The same of a key that has a number from 1; ValueError names what else it has."""
    text = value(cell, key, default)
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ValueError(f"{key} must be a number from 1; got {text!r} ({cell.name})")
    return int(text)


def with_value(cell: Cell, key: str, text: str) -> Cell:
    """A cell with another value of a key or flag, which is added where it is not there."""
    argv = list(cell.argv)
    if key not in argv:
        return replace(cell, argv=(*argv, key, text))
    argv[argv.index(key) + 1] = text
    return replace(cell, argv=tuple(argv))


def work_of(cell: Cell, size: Size) -> Work:
    """From its arguments, its recipe and the size of its data set."""
    own = size.of(value(cell, "DATASET.SUBSAMPLE_CLASSES", "all"))
    if is_evaluation(cell):
        return Work(own.tests, own.classes, 0, 0, 0)
    recipe = Path(value(cell, "--config-file", "")).stem
    epochs = number(cell, EPOCHS, value_in(cell.trainer, recipe, "MAX_EPOCH") or "1")
    batch = number(cell, BATCH, value_in(cell.trainer, recipe, "BATCH_SIZE") or "32")
    images = own.classes * number(cell, SHOTS, "16")
    return Work(own.tests, own.classes, images, epochs, epochs * max(images // batch, 1))


def short(cell: Cell, folder: str) -> Cell:
    """The run to measure in the place of a cell: one epoch, in another folder, as little as it
    can be where training is fitted at once.
    """
    one = replace(cell, folder=f"{folder}/{cell.name}", needs=(), shares=())
    one = with_value(one, "--output-dir", one.folder)
    is_fitted = is_on_features(cell.trainer)  # in seconds, by its own number of steps
    return one if is_fitted or is_evaluation(cell) else with_value(one, EPOCHS, "1")


def representatives(cells: list[Cell], known: dict[str, Size | None]) -> list[Cell]:
    """Of each method a training with the fewest shots, else an evaluation; and one cell of each
    data set whose size is not known. None of them needs another one of the cells.
    """
    names = {cell.name for cell in cells}
    alone = [cell for cell in cells if names.isdisjoint(cell.needs)]
    alone.sort(key=lambda cell: (is_evaluation(cell), known[cell.dataset] is None,
                                 number(cell, SHOTS, "16")))  # fmt: skip
    first: dict[str, Cell] = {}
    for cell in alone:
        first.setdefault(cell.trainer, cell)
    chosen = {cell.name: cell for cell in first.values()}
    seen = {cell.dataset for cell in chosen.values()}
    for cell in alone:
        if known[cell.dataset] is None and cell.dataset not in seen:
            seen.add(cell.dataset)
            chosen[cell.name] = cell
    return list(chosen.values())


class _Timed(Screen):
    """Prints little, and notes how long each cell is on."""

    def __init__(self, logs: str) -> None:
        super().__init__(logs)
        self.at: dict[str, float] = {}

    def started(self, cell: Cell) -> None:
        """Notes when."""
        self.at[cell.name] = time.monotonic()

    def progress(self, states: dict[str, State], left_sec: float | None) -> None:
        """Notes how long the cells that have ended took."""
        for name, begun in self.at.items():
            if begun > 0 and states[name] is not State.RUNNING:
                self.at[name] = begun - time.monotonic()  # negative: over
        super().progress(states, left_sec)


def measure(cells: list[Cell]) -> tuple[dict[str, Measured], dict[str, str]]:
    """By method what its short run took; and those whose run failed, with why."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [short(cell, folder) for cell in cells]
        # The first is carried out twice: what a worker imports is no part of each run.
        warm = [replace(run, name="warm", folder=f"{folder}/warm") for run in runs[:1]]
        warm = [with_value(run, "--output-dir", run.folder) for run in warm]
        screen = _Timed(folder)
        planner = Planner(Plan([*warm, *runs]), LocalPool([{}]), screen)
        planner.run()
        screen.close()
        found: dict[str, Measured] = {}
        for run in runs:
            result = finished.result_of(run)
            size = size_of(run.dataset, value(run, "--root", "data"))
            if result is None or size is None or run.trainer in found:
                continue
            train_sec, test_sec = result.seconds.train or 0.0, result.seconds.test or 0.0
            found[run.trainer] = Measured(
                work_of(run, size), max(-screen.at[run.name] - train_sec - test_sec, 0.0),
                train_sec, result.step_sec, test_sec, _bytes_of(run.folder),
            )  # fmt: skip
    return found, {run.trainer: planner.failures[run.name] for run in runs
                   if run.name in planner.failures}  # fmt: skip


def _bytes_of(folder: str) -> int:
    """Of all files but the logits, which are counted apart."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*")
               if path.is_file() and path.name != LOGITS)  # fmt: skip


def seconds_of(work: Work, measured: Measured, *, by_steps: bool) -> float:
    """Of a cell, from the short run of its method."""
    base = measured.work
    test_sec = measured.test_sec * work.tests / max(base.tests, 1)
    if not work.steps:
        train_sec = 0.0
    elif by_steps and measured.step_sec:
        around = max(measured.train_sec - base.steps * measured.step_sec, 0.0)
        train_sec = around + work.steps * measured.step_sec
    else:
        train_sec = measured.train_sec * max(work.images / max(base.images, 1), 1)
    return measured.setup_sec + train_sec + test_sec


def show_estimate(plan: Plan, jobs: int) -> int:
    """Measures, then prints counts, hours and disk; 1 where some runs are not in these."""
    left = [cell for cell in plan.cells if not finished.is_done(cell)]
    trainings = sum(not is_evaluation(cell) for cell in left)
    print(f"{len(plan.cells):,} runs, {len(plan.cells) - len(left):,} of them done; left are "
          f"{trainings:,} trainings and {len(left) - trainings:,} evaluations")  # fmt: skip
    if not left:
        return 0
    roots = {cell.dataset: value(cell, "--root", "data") for cell in left}
    chosen = representatives(left, {name: size_of(name, root) for name, root in roots.items()})
    print(f"Measuring {len(chosen)} short runs here:", flush=True)
    measured, failures = measure(chosen)
    size_of.cache_clear()  # what was drawn meanwhile is known now
    rows = defaultdict(lambda: [0, 0.0, 0, 0, 0])  # runs, seconds, images of tests, training, bytes
    missing: Counter[tuple[str, str]] = Counter()
    for cell in left:
        size = size_of(cell.dataset, roots[cell.dataset])
        if cell.trainer not in measured or size is None:
            why_not = "which was not measured" if size else "a data set of unknown size"
            missing[cell.trainer if size else cell.dataset, why_not] += 1
            continue
        work, one = work_of(cell, size), measured[cell.trainer]
        seconds = seconds_of(work, one, by_steps=not is_on_features(cell.trainer))
        trained = work.images * work.epochs
        size_bytes = one.folder_bytes + LOGIT_BYTES * work.tests * size.classes
        for place, more in enumerate((1, seconds, work.tests, trained, size_bytes)):
            rows[cell.trainer][place] += more
    _print_rows(rows, jobs)
    for trainer, why in failures.items():
        print(f"{trainer} is not in it, its short run failed: {failure.reason(why)}")
    for (name, why_not), runs in missing.items():
        print(f"Not in it: {runs:,} run(s) of {name}, {why_not}")
    return int(bool(failures or missing))


def _print_rows(rows: dict[str, list], jobs: int) -> None:
    head = ["Method", "images", "runs", "time", "tests", "training", "GB"]
    body = [
        [name, "frozen" if has_frozen_images(name) else "prompted", f"{runs:,}", clock(seconds),
         f"{tests:,}", f"{trained:,}", f"{size / 1e9:.2f}"]
        for name, (runs, seconds, tests, trained, size) in rows.items()
    ]  # fmt: skip
    print("\n".join(aligned([head, *body])))
    total = [sum(column) for column in zip(*rows.values(), strict=True)] or [0] * 5
    device = "the GPU" if gpus.visible(os.environ) else "the CPU"
    print(
        f"Together at most {total[2] + total[3]:,} images to encode, {total[1] / 3600:.2f} hours "
        f"of one worker on {device} of this machine ({clock(total[1] / jobs)} with {jobs} at a "
        f"time), {total[4] / 1e9:.2f} GB besides the feature store"
    )
