"""Carries out a command of `python -m protocols`."""

import argparse
import contextlib
import os
import runpy
import sys
from shlex import quote

from protocols import gpus, pools
from protocols.asked import Asked
from protocols.asking import asked
from protocols.cell import Plan, joined, shown
from protocols.commands import parsed
from protocols.expanding import needed_data, plan_of
from protocols.places import PROJECT


def main(argv: list[str]) -> int:
    """Returns the exit code: 0, or 1 where something failed."""
    args = parsed(argv)
    try:
        return _carry_out(args)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _carry_out(args: argparse.Namespace) -> int:
    if args.command == "cell":
        return carry_out_one(args.list, args.number)
    if args.command == "status":
        from protocols.status import show

        return show(args)
    wanted = asked(args)
    plan = plan_of(wanted.requests)
    plan.refused[:0] = wanted.refused
    for note in wanted.notes:
        print(f"Note: {note}")
    is_dry = bool(os.environ.get("DRY_RUN"))
    gpus.choose(os.environ, is_dry=is_dry)
    if args.command == "estimate":
        from protocols.estimate import show_estimate

        code = show_estimate(plan, args.jobs or 1)
        say_refused(plan.refused)
        return int(bool(code or plan.refused))
    if is_dry:
        return print_commands(plan)
    if not require_data(wanted):
        return 1
    return carry_out(args, wanted, plan)


def carry_out(args: argparse.Namespace, wanted: Asked, plan: Plan) -> int:
    """Carries out a plan as the options say; the exit code."""
    from protocols.planner import Planner
    from protocols.saved import save
    from protocols.screen import Screen, log_of

    path = save(plan, wanted.output)
    if args.slurm:
        from protocols.slurm import write_script

        write_script(args, path, plan)
        say_refused(plan.refused)
        return int(bool(plan.refused))
    pool = pools.chosen(args)
    has_logs = wanted.has_logs or pool.size > 1
    screen = Screen(wanted.output if has_logs else None, prefix=pool.size > 1)
    planner = Planner(plan, pool, screen, retry=args.retry == "failed")
    try:
        planner.run()
    finally:
        screen.close()
    cells = {cell.name: cell for cell in plan.cells}
    failed = [(shown(cells[name].argv), why) for name, why in planner.failures.items()]
    say_refused([*plan.refused, *failed])
    if has_logs:
        what = "the end of its output" if args.ray else "the whole output"
        names = dict.fromkeys(cells[name].trainer for name in planner.failures)
        for trainer in [*dict(wanted.refused), *names]:
            place = f"; {what}: {log_of(wanted.output, trainer)}" * (trainer in names)
            print(f"error: {trainer} failed{place}", file=sys.stderr)
    if wanted.table:
        print(f"The table: python -m reports {wanted.table} --output {quote(wanted.output)}")
    return int(bool(failed or plan.refused))


def carry_out_one(path: str, number: int) -> int:
    """One cell of a saved list; the exit code."""
    from protocols.alone import carry_out_alone
    from protocols.saved import load

    cells = load(path)
    if not 0 <= number < len(cells):
        raise ValueError(f"NUMBER must be one of 0 to {len(cells) - 1}; got {number}")
    return carry_out_alone(cells[number], {cell.name: cell for cell in cells})


def print_commands(plan: Plan) -> int:
    """The commands of train.py that would be carried out, and on stderr what has none."""
    for cells in plan.lines():
        print(shown(joined(cells)))
    say_refused(plan.refused)
    return int(bool(plan.refused))


def say_refused(refused: list[tuple[str, str]]) -> None:
    """Lists on stderr what failed, with the end of what it said."""
    if refused:
        print(f"error: {len(refused)} run(s) failed:", file=sys.stderr)
    for label, text in refused:
        print(f"\n  {label}\n{text}", file=sys.stderr)


def require_data(wanted: Asked) -> bool:
    """Whether all data sets are there; names those that are not, by datasets/missing.py."""
    missing = runpy.run_path(str(PROJECT / "datasets/missing.py"), run_name="missing")["main"]
    if not wanted.requests:
        return True
    first = wanted.requests[0]
    names = " ".join(needed_data(wanted.requests))
    with contextlib.redirect_stdout(sys.stderr):
        return not missing([first.data, names, *first.pairs])
