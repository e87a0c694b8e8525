"""Command line: `python -m reports REPORT DIR [--out DIR] [--title TEXT] [--strict]`.

REPORT is base2new, cross-dataset, domain-generalization, few-shot or zero-shot.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from reports import all_classes, collect, plots, statistics, tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one report; returns the exit code: 0 done, 1 --strict failed, 2 nothing to report."""
    options = _parser().parse_args(arguments)
    return options.report(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description="Reports on results.")
    commands = parser.add_subparsers(title="reports", required=True, metavar="REPORT")
    base2new = commands.add_parser(
        "base2new",
        help="table and plot of base-to-new generalisation",
        description="Writes base2new.md, .csv, .png and .svg from all result.json below a folder.",
    )
    _add_common(base2new, title="Base to new")
    base2new.add_argument("--cost", action="store_true", help="also seconds a step and peak memory")
    base2new.set_defaults(report=report_base_to_new)
    for name in all_classes.PROTOCOLS:
        title = name.replace("-", " ").capitalize()
        other = commands.add_parser(
            name,
            help=f"table of {name} results",
            description=f"Writes {name}.md and .csv from all result.json below a folder.",
        )
        _add_common(other, title=title)
        other.set_defaults(report=report_all_classes, protocol=name)
    return parser


def _add_common(command: argparse.ArgumentParser, *, title: str) -> None:
    command.add_argument("folder", type=Path, metavar="DIR", help="folder that holds the runs")
    command.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: DIR)")
    command.add_argument("--title", default=title, help="title of table and plot")
    command.add_argument(
        "--strict", action="store_true", help="exit with 1 if a result was left out"
    )


def report_base_to_new(options: argparse.Namespace) -> int:
    """Prints the base-to-new table and writes its four files."""
    try:
        runs, unreadable = collect.collect_runs(options.folder)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    report = statistics.base_to_new(runs, unreadable)
    markdown = tables.to_markdown(report, title=options.title, cost=options.cost)
    print(markdown, end="")
    if not report.blocks:
        print(f"No pair of base and new results in {options.folder}.", file=sys.stderr)
        return 2
    _write_all(report, markdown, folder=options.out or options.folder, title=options.title)
    return 1 if options.strict and report.left_out else 0


def report_all_classes(options: argparse.Namespace) -> int:
    """Prints the tables of a protocol on all classes and writes them."""
    try:
        runs, unreadable = collect.collect_runs(options.folder)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    found, left_out = all_classes.tables_of(options.protocol, runs, unreadable)
    markdown = all_classes.to_markdown(found, left_out, title=options.title)
    print(markdown, end="")
    if not found:
        print(f"No {options.protocol} results in {options.folder}.", file=sys.stderr)
        return 2
    folder = options.out or options.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{options.protocol}.md", markdown.encode())
    write_atomically(folder / f"{options.protocol}.csv", all_classes.to_csv(found).encode())
    return 1 if options.strict and left_out else 0


def _write_all(report: statistics.Report, markdown: str, *, folder: Path, title: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "base2new.md", markdown.encode())
    write_atomically(folder / "base2new.csv", tables.to_csv(report).encode())
    figure = plots.base_to_new(report, title=title)
    for suffix in ("png", "svg"):
        picture = io.BytesIO()
        plots.save(figure, picture, suffix=suffix)
        write_atomically(folder / f"base2new.{suffix}", picture.getvalue())


def write_atomically(path: Path, content: bytes) -> None:
    """Writes beside `path`, then renames: a reader sees the old file or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
