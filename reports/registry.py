"""All reports: from runs to a document and its figures, for the command line and for the page."""

from __future__ import annotations

import argparse
import hashlib
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from reports.figures import (
    base_against_new,
    canvas,
    cost,
    critical_difference,
    few_shot,
    harmonic_means,
    reliability,
)
from reports.figures import training as training_figure
from reports.layout.grid import Document
from reports.layout.selection import with_selection
from reports.output import page as html_page
from reports.published import papers
from reports.runs.run import LeftOut, Run
from reports.tables import (
    all_classes,
    base_to_new,
    base_to_new_numbers,
    calibration,
    costs,
    foreign,
    joint,
    ranks,
)
from reports.tables.histories import histories

SUFFIXES = ("png", "svg")
NAME_LETTERS = 80


@dataclass(frozen=True)
class Made:
    """A document and its figures, by what their files' names have besides the report's."""

    document: Document
    figures: dict[str, Figure] = field(default_factory=dict)

    def figure_files(self) -> dict[str, dict[str, bytes]]:
        """{part of the name: {"png": ..., "svg": ...}}."""
        files: dict[str, dict[str, bytes]] = {}
        for part, figure in self.figures.items():
            for suffix in SUFFIXES:
                picture = io.BytesIO()
                canvas.save(figure, picture, suffix=suffix)
                files.setdefault(part, {})[suffix] = picture.getvalue()
        return files


@dataclass(frozen=True)
class Report:
    """How one is made: runs, the files left out, options of the command line.

    Attributes:
        compares: whether rows can be compared with each other.
        has_published: whether published numbers can stand beside ours.
    """

    title: str
    make: Callable[[Sequence[Run], Sequence[LeftOut], argparse.Namespace], Made]
    compares: bool = True
    has_published: bool = True


def _base_to_new(
    runs: Sequence[Run], left_out: Sequence[LeftOut], options: argparse.Namespace
) -> Made:
    report = base_to_new_numbers.base_to_new(runs, left_out)
    beside = papers.choose("base2new", options.published) if options.published else ()
    shown = base_to_new.Options(
        options.cost, options.hm, beside, options.baseline, tuple(options.paired)
    )
    document = base_to_new.document(report, title=options.title, options=shown)
    if not report.blocks:
        return Made(document)
    among = {run.trainer for run in runs}
    dots = harmonic_means.harmonic_means(report, title=options.title, kind=options.hm, among=among)
    scatter = base_against_new.base_to_new(report, title=options.title, among=among)
    return Made(document, {"": scatter, "-hm": dots})


def _all_classes(
    runs: Sequence[Run],
    left_out: Sequence[LeftOut],
    options: argparse.Namespace,
    *,
    protocol: str,
) -> Made:
    words = getattr(options, "published", "")
    document = all_classes.document(
        protocol, runs, left_out, title=options.title,
        beside=papers.choose(protocol, words) if words else (),
        baseline=options.baseline, pair=tuple(options.paired),
    )  # fmt: skip
    curves = [grid for grid in document.grids if "weights_sha256" in grid.facts]
    if protocol != "few-shot" or not curves:
        return Made(document)
    among = {run.trainer for run in runs}
    return Made(document, {"": few_shot.few_shot(curves, title=options.title, among=among)})


def _cost(runs: Sequence[Run], left_out: Sequence[LeftOut], options: argparse.Namespace) -> Made:
    document = costs.document(runs, left_out, title=options.title, beside=options.published)
    blocks, _ = costs.cost_blocks(runs)
    if not blocks:
        return Made(document)
    among = {run.trainer for run in runs}
    return Made(document, {"": cost.cost(blocks, title=options.title, among=among)})


def _ranks(runs: Sequence[Run], left_out: Sequence[LeftOut], options: argparse.Namespace) -> Made:
    document, found = ranks.document(runs, left_out, title=options.title)
    if not found:
        return Made(document)
    among = {run.trainer for run in runs}
    figure = critical_difference.critical_difference(found, title=options.title, among=among)
    return Made(document, {"": figure})


def _calibration(
    runs: Sequence[Run], left_out: Sequence[LeftOut], options: argparse.Namespace
) -> Made:
    document, diagrams = calibration.document(options.output, runs, left_out, title=options.title)
    if not diagrams:
        return Made(document)
    among = {run.trainer for run in runs}
    return Made(document, {"": reliability.reliability(diagrams, title=options.title, among=among)})


def _joint(runs: Sequence[Run], left_out: Sequence[LeftOut], options: argparse.Namespace) -> Made:
    return Made(joint.document(options.output, runs, left_out, title=options.title))


def _ood(runs: Sequence[Run], left_out: Sequence[LeftOut], options: argparse.Namespace) -> Made:
    return Made(foreign.document(options.output, runs, left_out, title=options.title))


REPORTS = {
    "base2new": Report("Base to new", _base_to_new),
    **{
        name: Report(
            name.replace("-", " ").capitalize(),
            partial(_all_classes, protocol=name),
            has_published=name != "zero-shot",
        )
        for name in all_classes.PROTOCOLS
    },
    "ranks": Report("Ranks", _ranks, compares=False, has_published=False),
    "cost": Report("Cost", _cost, compares=False),
    "joint": Report("Base and new together", _joint, compares=False, has_published=False),
    "ood": Report("Out of distribution", _ood, compares=False, has_published=False),
    "calibration": Report("Calibration", _calibration, compares=False, has_published=False),
}
PLAIN = argparse.Namespace(
    published="", baseline="", paired=(), cost=False, hm="averages"
)  # the options of a report on the page


def training(folder: Path, runs: Sequence[Run], left_out: Sequence[LeftOut], title: str) -> Made:
    """One figure for each data set and subset of classes that was trained on."""
    found, twins = histories(folder, runs)
    groups = sorted({history.group for history in found})
    among = {run.trainer for run in runs}
    drawn = {}
    for group in groups:
        part = "-" + _file_name(group)
        own = [history for history in found if history.group == group]
        drawn[part] = training_figure.training(own, title=f"{title}: {group}", among=among)
    return Made(Document(title, (), (), tuple(sorted({*left_out, *twins}))), drawn)


def _file_name(group: str) -> str:
    """Of a group of trainings: letters, digits, dots; shortened names stay different."""
    name = re.sub(r"[^\w.]+", "-", group.replace(" classes", "")).strip("-.")
    if len(name) <= NAME_LETTERS:
        return name
    return f"{name[:NAME_LETTERS]}-{hashlib.sha256(group.encode()).hexdigest()[:6]}"


def page(
    folder: Path,
    runs: Sequence[Run],
    left_out: Sequence[LeftOut],
    notes: Sequence[str],
    title: str,
) -> tuple[str, list[LeftOut]]:
    """The page with every report that has results or leaves some out, the curves, and all runs.

    Returns:
        The page, and all files that are left out of one of its tables.
    """
    sections, left = [], set(left_out)
    for report in REPORTS.values():
        options = argparse.Namespace(**vars(PLAIN), title=report.title, output=folder)
        made = report.make(runs, (), options)
        left |= set(made.document.left_out)
        if made.document.grids or made.document.left_out:
            document = with_selection(made.document, runs)
            sections.append((document, list(made.figures.values())))
    curves = training(folder, runs, (), "Training")
    if curves.figures:
        sections.append((curves.document, list(curves.figures.values())))
    return html_page.render(title, sections, folder, runs, left_out, notes), sorted(left)
