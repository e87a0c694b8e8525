"""The base-to-new report as a document: one table for each data set, and of the average."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from reports.layout.grid import Cell, Document, Grid, Row
from reports.layout.headings import headings
from reports.layout.intervals import SPREAD
from reports.layout.labels import Label, keys, labels, method_facts, within
from reports.published import papers
from reports.published.papers import Published
from reports.runs.run import Method
from reports.tables import paired_differences
from reports.tables.averages import AVERAGE
from reports.tables.base_to_new_hidden import NOTE_ON_ZERO_SHOT, against_zero_shot, leave_one_out
from reports.tables.base_to_new_numbers import Block, Report
from reports.tables.base_to_new_numbers import Row as Numbers
from reports.tables.base_to_new_pairs import Pair
from reports.tables.comparisons import (
    against_published,
    check_pair,
    delta_notes,
    nothing_to_show,
    pair_notes,
)
from reports.tables.estimates import Estimate

COLUMNS = ("Shots", "Base", "New", "HM", "Seeds", "Trained parameters")
COST_COLUMNS = ("Seconds a step", "Peak memory (MB)")
HM_KINDS = {
    "averages": "the harmonic mean 2BN / (B + N) of the averaged base (B) and new (N) accuracy",
    "mean": "the mean of the harmonic means 2BN / (B + N) of seeds and data sets",
}
FOOTNOTE = (
    f"Accuracy in percent, mean \u00b1 {SPREAD} (no \u00b1 for a "
    "single seed). HM is {}; its \u00b1 is of the harmonic means of the single seeds. Bold: best "
    "of its column; underlined: second."
)
COST_FOOTNOTE = (
    "Seconds a step: the median over a training's optimisation steps, without loading, mean over "
    "seeds. Peak memory: of the training process, or of the GPU."
)


@dataclass(frozen=True)
class Options:
    """What a base-to-new report shows besides.

    Attributes:
        cost: also seconds a step and memory, which no two runs repeat.
        harmonic: key of HM_KINDS.
        published: numbers to stand beside ours.
        baseline: label of the row that others are compared with; "" for none.
        pair: labels of two rows to compare over data sets and seeds.
    """

    cost: bool = False
    harmonic: str = "averages"
    published: Sequence[Published] = ()
    baseline: str = ""
    pair: Sequence[str] = ()


def document(report: Report, *, title: str, options: Options = Options()) -> Document:
    """All tables and notes of the report."""
    names = report_labels(report)
    grids, theirs = [], []
    for block, heading in zip(report.blocks, headings_of(report.blocks), strict=True):
        own = within(names, (row.method for row in block.rows))
        rows = [
            replace(_row(row, own[row.method], options), name=names[row.method])
            for row in block.rows
        ]
        beside = _published_beside(block, report, options.published)
        theirs += beside
        rows += [_published_row(row, options) for row in beside]
        columns = (*COLUMNS, *COST_COLUMNS) if options.cost else COLUMNS
        facts = {
            "dataset": block.dataset,
            "backbone": block.backbone,
            "weights_sha256": block.weights,
        }
        called = [*own.values(), *(row.label for row in beside)]
        grid = Grid(heading, columns, tuple(rows), facts=facts, key=keys(called))
        grids.append(grid.with_deltas(options.baseline))
        editions = papers.publications(beside, "base2new") if beside else {}
        comparison = against_published(grids[-1], ("Base", "New", "HM"), editions)
        grids += [comparison] if comparison else []
    if options.pair and grids:
        check_pair(options.pair, (label.text for label in names.values()))
        grids += _paired_grids(report, names, options.pair)
    below = against_zero_shot(report, names)
    grids += [*below, *leave_one_out(report, names, partial(harmonic_of, kind=options.harmonic))]
    notes = []
    if report.blocks:
        footnote = FOOTNOTE.format(HM_KINDS[options.harmonic])
        notes.append(f"{footnote} {COST_FOOTNOTE}" if options.cost else footnote)
        notes += _published_notes(theirs, options) + delta_notes(options.baseline, grids)
        notes += pair_notes(options.pair, grids) + _device_notes(report)
        notes += [NOTE_ON_ZERO_SHOT] if below else []
    return Document(title, tuple(grids), (*notes, *report.notes), report.left_out)


def report_labels(report: Report) -> dict[Method, Label]:
    """The labels of all rows of the report."""
    return labels(row.method for block in report.blocks for row in block.rows)


def headings_of(blocks: Sequence[Block]) -> list[str]:
    """The titles of the report's tables and panels."""
    return headings([(block.dataset, block.backbone, block.weights) for block in blocks])


def harmonic_of(row: Numbers, kind: str) -> Estimate:
    """A row's harmonic mean of a kind of HM_KINDS."""
    return row.harmonic if kind == "averages" else row.mean_harmonic


def _row(row: Numbers, label: Label, options: Options) -> Row:
    estimates = row.base, row.new, harmonic_of(row, options.harmonic)
    cells = [Cell(estimate.value, estimate.std, row.seeds) for estimate in estimates]
    shots = str(row.method.shots) if row.method.shots > 0 else ""
    entries = [shots, *cells, str(len(row.seeds)), row.cost.parameters_text]
    if options.cost:
        step = row.cost.step_sec
        entries += ["" if step is None else f"{step:.3f}", row.cost.memory_text]
    facts = method_facts(label, row.method, row.recipe)
    return Row(label.text, tuple(entries), facts)


def _paired_grids(report: Report, names: Mapping[Method, Label], pair: Sequence[str]) -> list[Grid]:
    """One table for each backbone and weights, over all data sets and seeds."""
    groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for item in report.pairs:
        groups[item.backbone, item.weights].append(item)
    grids = []
    titles = headings([("All data sets", *group) for group in sorted(groups)])
    for title, (_, pairs) in zip(titles, sorted(groups.items()), strict=True):
        values: dict[str, dict[str, dict]] = {}
        for quantity, attribute in (("Base", "base"), ("New", "new"), ("HM", "harmonic")):
            by_label: dict[str, dict] = defaultdict(dict)
            for item in pairs:
                key = item.dataset, item.seed
                by_label[names[item.method].text][key] = getattr(item, attribute)
            values[quantity] = by_label
        found = paired_differences.grid(title, pair, values)
        grids += [found] if found else []
    return grids


def _published_beside(block: Block, report: Report, rows: Sequence[Published]) -> list[Published]:
    others = [
        other.dataset
        for other in report.blocks
        if (other.backbone, other.weights) == (block.backbone, block.weights)
        and not other.dataset.startswith(AVERAGE)
    ]
    own = [row for row in rows if row.backbone == block.backbone]
    return papers.of_data_set(own, block.dataset, others)


def _device_notes(report: Report) -> list[str]:
    devices = sorted(
        {name for block in report.blocks for row in block.rows for name in row.cost.devices}
    )
    if len(devices) < 2:
        return []
    return [
        f"Seconds and memory are of several devices ({'; '.join(devices)}) and left out where one "
        "row has several: `python -m reports cost` keeps devices apart."
    ]


def _published_row(row: Published, options: Options) -> Row:
    cells = [row.entry(column) for column in ("base", "new", "hm")]
    return row.row([str(row.shots), *cells, "", "", *([""] * (2 * options.cost))])


def _published_notes(shown: Sequence[Published], options: Options) -> list[str]:
    if not options.published:
        return []
    if not shown:
        return [nothing_to_show()]
    kind = {"averages": "hm-of-averages", "mean": "mean-of-hms"}[options.harmonic]
    other = papers.harmonic_means_of_other_kind(shown, kind)
    more = f" The published average HM of {', '.join(other)} is formed in the other way."
    return [papers.NOTE + (more if other else "")]
