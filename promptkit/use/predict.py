"""Classifies images with what a run has tuned.

python -m promptkit.predict --model-dir RUN IMAGE|FOLDER ... [--classes NAMES|FILE] [--top 5]
    [--csv FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from tabulate import tabulate

from dassl.data import DatasetWrapper
from dassl.data.datasets import Datum
from dassl.data.transforms import build_transform
from promptkit.files import refuse_pipes, replacing
from promptkit.runs import manifest
from promptkit.trainer import PromptTrainer
from promptkit.use.run_options import add_run_options, open_chosen
from run_files import CURVE, LOG, LOGITS, RESULT, RUN

BATCH = 64  # images
# Files that a run has beside its folders; predictions may lie there, too.
OF_RUN = ((RUN,), (RESULT,), (CURVE,), (LOGITS,), (LOG,))


def images_below(paths: list[str]) -> list[Path]:
    """The files given, and those in the folders given and below, sorted; none that are hidden.

    Raises:
        FileNotFoundError: there is nothing at a path, or no file in a folder.
        ValueError: there is something else than a file.
    """
    found = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            files = [x for x in path.rglob("*") if not _is_hidden(x.relative_to(path))]
            own = sorted(file for file in files if file.is_file())
            others = sum(not file.is_file() and not file.is_dir() for file in files)
            if others:
                print(f"Passed over in {path}: {others} that are no files", file=sys.stderr)
            if not own:
                raise FileNotFoundError(f"There is no image in the folder {path}, nor below it.")
            found += own
        elif path.exists():
            refuse_pipes(path)
            found.append(path)
        else:
            is_key = name.startswith(("TRAINER.", "MODEL.", "DATASET.", "INPUT."))
            hint = " Settings are given with --set KEY VALUE." if is_key else ""
            hint += " An address is not read: download the image." if "://" in name else ""
            raise FileNotFoundError(f"There is no image or folder at {name}.{hint}")
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def check_outputs(options: argparse.Namespace, images: list[Path]) -> None:
    """Refuses to write over what is read.

    Raises:
        ValueError: --csv or --json is an image, a file of classes, one of the run's, or the other.
    """
    outputs = {"--csv": options.csv, "--json": options.json}
    given = {flag: os.path.realpath(path) for flag, path in outputs.items() if path}
    if len(set(given.values())) < len(given):
        raise ValueError(f"--csv and --json must be two files; both are {options.csv}.")
    read = {os.path.realpath(path) for path in [*images, *options.classes]}
    run = Path(os.path.realpath(options.run))
    for flag, path in given.items():
        inside = Path(path).relative_to(run).parts if Path(path).is_relative_to(run) else ()
        of_run = os.path.exists(path) and (len(inside) > 1 or inside in OF_RUN)
        if path in read or of_run:
            what = "a file of the run" if of_run else "one that is read"
            raise ValueError(f"{flag} must be a new file; {outputs[flag]} is {what}.")


def predict(trainer: PromptTrainer, paths: list[Path], *, top: int) -> Iterator[dict]:
    """For each image its path and `top` classes with their probabilities, the likeliest first.

    See `PromptTrainer.probabilities`.

    An image that cannot be read has "error", what is wrong with it, in place of "classes".

    Raises:
        ValueError: the logits are not finite.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        transform = build_transform(trainer.cfg, is_train=False)
    names = trainer.dm.dataset.classnames
    for start in range(0, len(paths), BATCH):
        batch, images, errors = paths[start : start + BATCH], [], {}
        for path in batch:
            try:
                image = DatasetWrapper(trainer.cfg, [Datum(str(path))], transform)[0]
                images.append(image["img"])
            except OSError as error:
                errors[path] = str(error)
        best: list[list[dict]] = []
        if images:
            logits = trainer.model_inference(torch.stack(images).to(trainer.device))
            if not logits.isfinite().all():
                raise ValueError(
                    "The logits are not finite: the weights of the run or of the backbone are "
                    "damaged, or a step in training was too large. Take another run."
                )
            found = trainer.probabilities(logits).topk(min(top, len(names)))
            best = [
                [{"class": names[i], "probability": p} for p, i in zip(ps, rows, strict=True)]
                for ps, rows in zip(found.values.tolist(), found.indices.tolist(), strict=True)
            ]
        rest = iter(best)
        for path in batch:
            answer = {"error": errors[path]} if path in errors else {"classes": next(rest)}
            yield {"image": str(path), **answer}


def main(arguments: list[str] | None = None) -> int:
    """The command line; 1 if an image could not be read."""
    parser = argparse.ArgumentParser(prog="python -m promptkit.predict", description=__doc__)
    parser.add_argument("images", nargs="+", metavar="IMAGE|FOLDER")
    parser.add_argument(
        "--model-dir", dest="run", required=True, metavar="RUN", help="folder of a run"
    )
    add_run_options(parser)
    parser.add_argument("--top", type=int, default=5, help="classes an image")
    parser.add_argument("--csv", type=Path, help="also write image, rank, class, probability here")
    parser.add_argument("--json", type=Path, help="also write all here")
    options = parser.parse_intermixed_args(arguments)
    if options.top < 1:
        parser.error(f"--top must be 1 or more; got {options.top}")
    try:
        trainer = open_chosen(options)
        images = images_below(options.images)
        check_outputs(options, images)
        found = list(predict(trainer, images, top=options.top))
    except (ValueError, KeyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    rows = [
        (answer["image"], rank, entry["class"], entry["probability"])
        for answer in found
        for rank, entry in enumerate(answer.get("classes", ()), 1)
    ]
    print(
        printable(tabulate(rows, headers=("image", "rank", "class", "probability"), floatfmt=".4f"))
    )
    if options.csv:
        with (
            replacing(options.csv) as partial,
            open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            csv.writer(file).writerows([("image", "rank", "class", "probability"), *rows])
    if options.json:
        manifest.save_json({"model_dir": options.run, "images": found}, options.json)
    errors = [answer["error"] for answer in found if "error" in answer]
    for error in errors:
        print(printable(f"error: {error}"), file=sys.stderr)
    return 1 if errors else 0


def printable(text: str) -> str:
    """Names of files may be of any encoding."""
    return text.encode("utf-8", "backslashreplace").decode()
