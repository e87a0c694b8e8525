"""The command line: `python -m protocols <command> ...`; DRY_RUN=1 prints commands of train.py."""

import argparse
import os
from collections.abc import Mapping

from protocols.expanding import CELLS

EPILOG = """In the environment, as of the scripts: DATA, OUTPUT, SEEDS, SHOTS, GPU, IMPORT, SOURCE,
STRICT, DRY_RUN; JOBS and PER_GPU for the options of these names. Options stand before the words."""
OF_PLAN = """In the environment, where the plan does not say: DATA, OUTPUT, IMPORT, SOURCE; also GPU
and DRY_RUN, JOBS and PER_GPU for the options of these names. SEEDS, SHOTS, STRICT: say in it."""


def parsed(argv: list[str], environment: Mapping[str, str] = os.environ) -> argparse.Namespace:
    """The command and its options; ends with 2 and the usage where they have no meaning."""
    parser = argparse.ArgumentParser(prog="python -m protocols", epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in CELLS:
        one = commands.add_parser(name, help="a method under this protocol", epilog=EPILOG)
        _add_pool(one, environment)
        _add_words(one, "<Trainer> [data sets] [recipe] [KEY VALUE ...]")
    one = commands.add_parser("compare", help="methods side by side", epilog=EPILOG)
    _add_pool(one, environment)
    _add_words(one, "<data sets> [prompts|adapters|all|Trainer ...]")
    one = commands.add_parser("run", help="everything in a plan.yaml", epilog=OF_PLAN)
    _add_pool(one, environment)
    one.add_argument("plan", metavar="plan.yaml")
    one = commands.add_parser("status", help="how far the runs in an output folder are")
    one.add_argument("plan", nargs="?", default="", metavar="plan.yaml",
                     help="without it all that was started with OUTPUT as it is now")  # fmt: skip
    one.add_argument("--watch", action="store_true", help="shows it again every few seconds")
    one = commands.add_parser("estimate", help="what a plan.yaml would take, before it is run")
    one.add_argument("plan", metavar="plan.yaml")
    one.add_argument("--jobs", type=_number, default=_given(environment, "JOBS"))
    one = commands.add_parser("cell", help="one cell of a saved list, as Slurm's arrays ask for")
    one.add_argument("list", metavar="FILE")
    one.add_argument("number", type=int, metavar="NUMBER")
    args = parser.parse_args(argv)
    if getattr(args, "slurm", None) and (args.ray or args.per_gpu):
        parser.error("--slurm only writes scripts, one GPU a task: leave --ray and --per-gpu out")
    if getattr(args, "words", None) == []:
        commands.choices[args.command].print_usage()
        parser.exit(2)
    return args


def _add_words(parser: argparse.ArgumentParser, metavar: str) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar=metavar)


def _add_pool(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """The options of where and how the cells are carried out."""
    add = parser.add_argument
    add("--jobs", type=_number, default=_given(environment, "JOBS"), metavar="N",
        help="workers at a time (default: 1; with --per-gpu as many as fit the GPUs)")  # fmt: skip
    add("--per-gpu", type=_number, default=_given(environment, "PER_GPU"), metavar="N",
        help="cells at a time on one GPU (default: 1)")  # fmt: skip
    add("--retry", choices=("failed",), help="runs that failed before are tried again")
    add("--ray", metavar="ADDRESS", help="carry out on a Ray cluster: auto, or its address")
    add("--slurm", metavar="FILE", help="write a Slurm array script of the cells and stop")


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a number from 1; got {text!r}")
    return int(text)


def _given(environment: Mapping[str, str], name: str) -> str | None:
    return environment.get(name) or None  # argparse reads a default that is text as an argument
