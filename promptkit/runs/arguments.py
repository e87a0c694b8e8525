"""The command line of `train.py`: CoOp's arguments and defaults, and a few of ours.

Standard library only, so that a finished run is recognised without importing torch.
"""

import argparse
import os
import re
from pathlib import Path

from promptkit.runs.model_files import FINAL

THEN = "--then"
MAX_SEED = 2**32 - 1  # numpy's
KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+|SEED|RESUME|OUTPUT_DIR|USE_CUDA|VERBOSE")
# A shell leaves ~ as it is in --output-dir=~/run and in quotes.
PATHS = ("root", "output_dir", "resume", "config_file", "dataset_config_file", "model_dir")


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line, upstream's names and defaults."""
    parser = argparse.ArgumentParser(
        description="One run: trains or evaluates, and writes result.json.",
        epilog=f"{THEN} ARGUMENTS: a further run in the same process. A folder whose run is "
        "finished is left as it is, one with an unfinished run is resumed.",
    )
    add = parser.add_argument
    add("--root", default="", help="DATASET.ROOT: folder that holds the data sets")
    add("--output-dir", default="", help="OUTPUT_DIR: folder of this run")
    add("--resume", default="", help="RESUME: run folder to go on from")
    add("--seed", type=_seed, default=-1, help="SEED: 0 or more fixes it, negative is random")
    add("--source-domains", nargs="+", help="DATASET.SOURCE_DOMAINS")
    add("--target-domains", nargs="+", help="DATASET.TARGET_DOMAINS")
    add("--transforms", nargs="+", help="INPUT.TRANSFORMS")
    add("--config-file", default="", help="yaml of the method: configs/trainers/...")
    add("--dataset-config-file", default="", help="yaml of the data set: configs/datasets/...")
    add("--trainer", default="", help="TRAINER.NAME")
    add("--backbone", default="", help="MODEL.BACKBONE.NAME")
    add("--head", default="", help="MODEL.HEAD.NAME")
    add("--eval-only", action="store_true", help="load --model-dir and test, do not train")
    add("--model-dir", default="", help="run folder to load for --eval-only")
    add(
        "--load-epoch",
        type=epoch,
        help="epoch to load; without it the best on validation; final is what its run tested with",
    )
    add(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="import this first: a module of yours that registers trainers or data sets",
    )
    add(
        "--eval-every",
        type=int,
        default=0,
        metavar="K",
        help="test during training, every K epochs, for a curve of base and new accuracy",
    )
    add(
        "--repeat",
        default="",
        metavar="RESULT",
        help="run what this result.json was made by again, in --output-dir or a folder beside, "
        "and compare result and weights: 0 if no bit differs, else 1",
    )
    add("--no-train", action="store_true", help="build everything, then stop")
    add("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config pairs, merged last")
    args = parser.parse_args(argv)
    _refuse_swallowed(parser, args)
    for name in PATHS:
        setattr(args, name, os.path.expanduser(getattr(args, name)))
    return args


def epoch(text: str) -> int | str:
    """An epoch's number, or "final"."""
    if text != FINAL and not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"must be an epoch, from 1, or {FINAL}; got {text!r}")
    return text if text == FINAL else int(text)


def _seed(text: str) -> int:
    """A number that torch, numpy and Python take as a seed; negative for none."""
    try:
        seed = int(text)
    except ValueError:
        seed = MAX_SEED + 1
    if seed > MAX_SEED:
        raise argparse.ArgumentTypeError(f"must be a whole number up to {MAX_SEED}; got {text!r}")
    return seed


def _refuse_swallowed(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """A list of words takes all that follow it: KEY VALUE pairs, too, which are then lost."""
    for flag, words in (
        ("--source-domains", args.source_domains),
        ("--target-domains", args.target_domains),
        ("--transforms", args.transforms),
    ):
        key = next((word for word in words or () if KEY.fullmatch(word)), None)
        if key:
            parser.error(
                f"{flag} takes all words up to the next flag, and one of them is {key}: put "
                f"another flag, such as --seed, between {flag} and the KEY VALUE pairs"
            )


def split_runs(argv: list[str]) -> list[list[str]]:
    """The arguments of each run: those between --then."""
    parts: list[list[str]] = [[]]
    for word in argv:
        if word == THEN:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def first_line(args: argparse.Namespace) -> str:
    """What to say while the packages that a run needs are still being imported."""
    data = Path(args.dataset_config_file).stem or "the data set of the settings"
    task = "evaluating" if args.eval_only else "training"
    return f"{args.trainer or 'The trainer of the settings'}, {task} on {data}: starting"
