"""The command line of `train.py`: CoOp's arguments and defaults, and a few of ours.

Standard library only, so that a finished run is recognised without importing torch.
"""

import argparse
from pathlib import Path

from promptkit.runs.model_files import FINAL

THEN = "--then"


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
    add("--seed", type=int, default=-1, help="SEED: 0 or more fixes it, negative is random")
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
    return parser.parse_args(argv)


def epoch(text: str) -> int | str:
    """An epoch's number, or "final"."""
    return text if text == FINAL else int(text)


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
