"""Command line: `python -m reports REPORT [--output DIR] [--format FORMAT] [...]`.

REPORT is base2new, cross-dataset, domain-generalization, few-shot, zero-shot, ranks, cost, joint,
ood, calibration, training or html; parse reads logs of other repositories.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reports.files import write_atomically
from reports.layout.intervals import LEAST_SEEDS, with_intervals
from reports.layout.selection import with_selection
from reports.output.formats import FORMATS, SUFFIXES, to_markdown
from reports.registry import REPORTS, Made, page, training
from reports.runs import logs_of_others
from reports.runs.collect import collect_runs
from reports.runs.consistency import join_unrecorded, notes_on_selection, notes_on_task_oracles
from reports.runs.data_sets import notes_on_own_data
from reports.runs.run import LeftOut, Run
from reports.unknown_names import UnknownNameError, check_name

MANY_KINDS = 4  # of results; more are counted


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one report; returns the exit code.

    0: done; 1: --strict failed, or a name of the command line is no row, trainer or method; 2:
    nothing to report, or a file cannot be read or written.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except UnknownNameError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        text = str(error)  # one of ours
        if error.errno is not None:
            place = error.filename or "a file"
            text = f"{place}: {error.strerror}. Check the path, its permissions and the space left."
        print(f"error: {text}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description="Reports on results.")
    commands = parser.add_subparsers(title="reports", required=True, metavar="REPORT")
    for name, report in REPORTS.items():
        command = _add(commands, name, f"table of {name} results", title=report.title)
        command.add_argument(
            "--format", choices=FORMATS, default="markdown", help="what is printed (markdown)"
        )
        command.add_argument(
            "--intervals", action="store_true",
            help=f"95 %% intervals over seeds instead of deviations, from {LEAST_SEEDS} seeds on",
        )  # fmt: skip
        if report.compares:
            command.add_argument(
                "--baseline", default="", metavar="ROW", help="also differences to this row"
            )
            command.add_argument(
                "--paired", nargs=2, default=(), metavar="ROW",
                help="two rows: differences over data sets and seeds, interval, p-value",
            )  # fmt: skip
        if report.has_published:
            command.add_argument(
                "--published", default="", metavar="METHODS",
                help="published numbers beside ours: CoOp,MaPLe,... or all",
            )  # fmt: skip
        if name == "base2new":
            command.add_argument(
                "--cost", action="store_true", help="also seconds a step and peak memory"
            )
            command.add_argument(
                "--hm", choices=("averages", "mean"), default="averages",
                help="HM of the averages (default), or the mean of the single HMs",
            )  # fmt: skip
        command.set_defaults(run=run_report, report=report, name=name)
    command = _add(commands, "training", "figures over the epochs", title="Training")
    command.set_defaults(run=run_training)
    command = _add(commands, "html", "one page with everything, report.html", title="Results")
    command.set_defaults(run=run_page)
    parse = commands.add_parser("parse", help="makes result files from logs of other repositories")
    parse.add_argument("folder", type=Path, metavar="DIR", help="holds the logs, at any depth")
    parse.add_argument(
        "--to", type=Path, metavar="DIR", help="where to write (default: output/logs/<DIR's name>)"
    )
    parse.add_argument("--strict", action="store_true", help="exit with 1 if a log was left out")
    parse.set_defaults(run=run_parse)
    return parser


def _add(commands, name: str, words: str, *, title: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=words, description=f"Makes a report: {words}.")
    command.add_argument(
        "--output", type=Path, default=Path("output"), metavar="DIR",
        help="folder that holds the runs, at any depth (output)",
    )  # fmt: skip
    command.add_argument("--to", type=Path, metavar="DIR", help="where to write (--output)")
    command.add_argument("--title", default=title, help="title of tables and figures")
    command.add_argument(
        "--trainers", default="", metavar="NAMES", help="these trainers only, with commas"
    )
    command.add_argument(
        "--any-commit", action="store_true", help="join results of different commits"
    )
    command.add_argument(
        "--strict", action="store_true", help="exit with 1 if a result was left out"
    )
    return command


def load(options: argparse.Namespace) -> tuple[list[Run], list[LeftOut], list[str]]:
    """The runs that the options choose, the files that cannot be used, and notes.

    Raises:
        FileNotFoundError: there is no result.
        UnknownNameError: a trainer of --trainers has no result.
    """
    runs, left_out = collect_runs(options.output)
    names = [name for part in options.trainers.split(",") if (name := part.strip())]
    for name in names if runs else ():  # else what is left out is the message
        check_name("--trainers", "result of", name, sorted({run.trainer for run in runs}))
    runs = [run for run in runs if run.trainer in names or not names]
    if options.any_commit:
        runs = [replace(run, commit="") for run in runs]
    runs, notes = join_unrecorded(runs)
    notes += notes_on_own_data(runs) + notes_on_selection(runs) + notes_on_task_oracles(runs)
    return runs, left_out, notes


def run_report(options: argparse.Namespace) -> int:
    """Prints a report and writes it in all formats, with its figures."""
    runs, left_out, notes = load(options)
    made = options.report.make(runs, left_out, options)
    document = replace(made.document, notes=(*made.document.notes, *notes))
    document = with_selection(document, runs)
    plain, document = document, with_intervals(document) if options.intervals else document
    print(FORMATS[options.format](document), end="")
    if options.format == "csv":  # which has no place for remarks
        print(to_markdown(replace(document, grids=())), file=sys.stderr, end="")
    if not document.grids:
        print(_nothing(options, runs), file=sys.stderr)
        return 2
    folder = options.to or options.output
    for name, render in FORMATS.items():
        path = folder / f"{options.name}.{SUFFIXES[name]}"
        # A CSV has deviations always, in a column of that name.
        write_atomically(path, render(plain if name == "csv" else document).encode())
    _write_figures(made, folder, options.name)
    return 1 if options.strict and document.left_out else 0


def _nothing(options: argparse.Namespace, runs: Sequence[Run]) -> str:
    """That a report has no results, and what there is instead."""
    kinds = Counter(f"{run.trainer} on {run.dataset}, {run.subset} classes" for run in runs)
    named = [f"{kind} ({count})" for kind, count in sorted(kinds.items())]
    more = f" and {len(named) - MANY_KINDS} more" if len(named) > MANY_KINDS else ""
    there = (
        f"There are those of {'; '.join(named[:MANY_KINDS])}{more}."
        if named
        else ("No result.json could be read.")
    )
    return f"No {options.name} results in {options.output}. {there}"


def _write_figures(made: Made, folder: Path, name: str) -> None:
    for part, files in made.figure_files().items():
        for suffix, content in files.items():
            write_atomically(folder / f"{name}{part}.{suffix}", content)


def run_training(options: argparse.Namespace) -> int:
    """Draws the training curves, one figure for each data set."""
    runs, left_out, _ = load(options)
    made = training(options.output, runs, left_out, options.title)
    for item in made.document.left_out:
        print(f"left out: {item.path}: {item.reason}", file=sys.stderr)
    if not made.figures:
        print(f"No training with a log or a curve in {options.output}.", file=sys.stderr)
        return 2
    folder = options.to or options.output
    _write_figures(made, folder, "training")
    print("\n".join(str(folder / f"training{part}.png") for part in made.figures))
    return 1 if options.strict and made.document.left_out else 0


def run_page(options: argparse.Namespace) -> int:
    """Writes the page with all reports and all runs."""
    runs, left_out, notes = load(options)
    path = (options.to or options.output) / "report.html"
    text, left_out = page(options.output, runs, left_out, notes, options.title)
    # A command line may hold a path that is no text.
    write_atomically(path, text.encode("utf-8", "backslashreplace"))
    print(path)
    if left_out:
        print(f"{len(left_out)} file(s) are left out; the page names them.", file=sys.stderr)
    return 1 if options.strict and left_out else 0


def run_parse(options: argparse.Namespace) -> int:
    """Makes result files from logs."""
    target = options.to or Path("output/logs") / options.folder.resolve().name
    parsed, left_out = logs_of_others.parse_folder(options.folder)
    written, refused = logs_of_others.write(parsed, target)
    for item in parsed:
        result = item.result
        print(
            f"{result['trainer']} on {result['dataset']}, {result['subset']} classes, "
            f"seed {result['seed']}: {result['metrics']['accuracy']} %  {item.log}"
        )
    for item in [*left_out, *refused]:
        print(f"left out: {item.path}: {item.reason}", file=sys.stderr)
    print(f"{written} result file(s) below {target}")
    if not written:
        return 2
    return 1 if options.strict and (left_out or refused) else 0


if __name__ == "__main__":
    sys.exit(main())
