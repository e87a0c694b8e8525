"""`python -m protocols status`: how far the runs are, by method and data set; what failed and why.

All of it is read from the run folders, so that it may be asked for while planners work, on another
machine too, or when they have died.
"""

import argparse
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from protocols import failure, finished
from protocols.asking import asked
from protocols.cell import Cell, Plan
from protocols.expanding import plan_of
from protocols.live import progress_of
from protocols.saved import FOLDER, load_all
from protocols.screen import counted
from protocols.state import State, state_of, with_blocked
from protocols.timing import Timing, clock, is_evaluation
from run_files import LOG

WATCH_SEC = 2.0
MOST_NAMED = 10  # runs that are on, or failed
MEASURED = 3  # results that are read of a method's runs of one kind on a data set
COLUMNS = (State.DONE, State.RUNNING, State.FAILED, State.BLOCKED, State.STALE, State.WAITING)
CLEAR = "\033[H\033[2J"  # what was scrolled away is the user's


def show(args: argparse.Namespace) -> int:
    """Prints the table, with --watch again and again; 1 where something failed.

    Raises:
        ValueError: nothing was started in the output folder.
    """
    if args.plan:
        wanted = asked(args)
        plan, output = plan_of(wanted.requests), wanted.output
    else:
        output = os.environ.get("OUTPUT") or "output"
        plan = load_all(output)
        if not plan.cells:
            raise ValueError(
                f"nothing was started in {output}: there is no {output}/{FOLDER}. OUTPUT says "
                "another folder, or name a plan.yaml."
            )
    is_terminal = sys.stdout.isatty()
    before = ""
    while True:
        states = with_blocked(plan.cells, {cell.name: state_of(cell) for cell in plan.cells})
        text = table(plan, states)
        if text != before:
            print(f"{CLEAR if is_terminal and args.watch else ''}{text}", flush=True)
        before = text
        is_over = not {State.RUNNING, State.WAITING, State.STALE} & set(states.values())
        if not args.watch or is_over:
            return int(State.FAILED in states.values())
        time.sleep(WATCH_SEC)


def table(plan: Plan, states: dict[str, State]) -> str:
    """Everything that there is to say of cells in these states."""
    rows: dict[tuple[str, str], Counter] = defaultdict(Counter)
    for cell in plan.cells:
        rows[cell.trainer, cell.dataset][states[cell.name]] += 1
    head = ["Method", "Data set", *(state.value for state in COLUMNS)]
    body = [[*key, *(str(numbers[state] or "") for state in COLUMNS)]
            for key, numbers in rows.items()]  # fmt: skip
    lines = aligned([head, *body])
    left = _left(plan, states)
    end = f"; about {clock(left)} left" if left else ""
    lines.append(f"{len(plan.cells):,} runs: {counted(states)}{end}")
    by_state = defaultdict(list)
    for cell in plan.cells:
        by_state[states[cell.name]].append(cell)
    lines += _named("Running:", by_state[State.RUNNING], _progress)
    lines += _named("Stale, their process has died; the same command goes on with them:",
                    by_state[State.STALE], lambda cell: "")  # fmt: skip
    lines += _named("Failed:", by_state[State.FAILED], _failure)
    return "\n".join(lines)


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows as lines; words on the left, numbers on the right of their column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) if place < 2 else text.rjust(width)
                      for place, (text, width) in enumerate(zip(row, widths, strict=True))).rstrip()
            for row in rows]  # fmt: skip


def _named(title: str, cells: list[Cell], words) -> Iterable[str]:
    if not cells:
        return
    yield title
    for cell in cells[:MOST_NAMED]:
        yield f"  {cell.name}{words(cell)}"
    if len(cells) > MOST_NAMED:
        yield f"  and {len(cells) - MOST_NAMED:,} more"


def _progress(cell: Cell) -> str:
    found = None if is_evaluation(cell) else progress_of(cell)
    if found is None:
        return ""
    end = "" if found.left_sec is None else f", {clock(found.left_sec)} left"
    return f": epoch {found.epoch} of {found.of}{end}"


def _failure(cell: Cell) -> str:
    known = failure.noted(cell)
    log = Path(cell.folder, LOG)
    place = log if log.is_file() else Path(cell.folder, failure.NAME)
    return f": {failure.reason(known.why if known else '')}\n    {place}"


def _left(plan: Plan, states: dict[str, State]) -> float | None:
    """Seconds, by the runs that are done and the steps of those that are on; None if unknown."""
    left = [cell for cell in plan.cells
            if states[cell.name] in (State.WAITING, State.STALE, State.RUNNING)]  # fmt: skip
    if not left:
        return None
    timing, read = Timing(), Counter()
    for cell in plan.cells:
        key = cell.trainer, cell.dataset, is_evaluation(cell)
        if states[cell.name] is State.DONE and read[key] < MEASURED:
            read[key] += 1
            if result := finished.result_of(cell):
                timing.add(cell, result.spent_sec)
    running = [cell for cell in left if states[cell.name] is State.RUNNING]
    on = {cell.name: found.left_sec for cell in running if (found := progress_of(cell))
          and found.left_sec is not None and not is_evaluation(cell)}  # fmt: skip
    rest = timing.left([cell for cell in left if cell.name not in on], 1)
    return None if rest is None else (rest + sum(on.values())) / max(len(running), 1)
