"""Writes a base-to-new report as markdown, for reading, and as CSV, for computing."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from reports.statistics import Block, Estimate, Report, Row

PLUS_MINUS = "\u00b1"
HEADERS = ("Trainer", "Shots", "Base", "New", "HM", "Seeds", "Trained parameters")
COST_HEADERS = ("Seconds a step", "Peak memory (MB)")
CSV_FIELDS = (
    "dataset",
    "backbone",
    "weights_sha256",
    "trainer",
    "recipe",
    "shots",
    "base",
    "base_std",
    "new",
    "new_std",
    "hm",
    "hm_std",
    "seeds",
    "trained_parameters_min",
    "trained_parameters_max",
    "step_sec",
    "peak_memory_bytes",
)
FOOTNOTE = (
    f"Accuracy in percent, mean {PLUS_MINUS} population standard deviation over seeds (no "
    f"{PLUS_MINUS} for a single seed). HM is the harmonic mean 2BN / (B + N) of the "
    f"seed-averaged base (B) and new (N) accuracy; the {PLUS_MINUS} of HM is the standard "
    "deviation of the harmonic means of the single seeds. Bold: best of its column."
)
COST_FOOTNOTE = (
    "Seconds a step: the median over a training's optimisation steps, without loading, mean over "
    "seeds. Peak memory: of the training process, or of the GPU."
)


def to_markdown(report: Report, *, title: str, cost: bool = False) -> str:
    """The whole report as markdown: a table for each block, the footnote, what was left out.

    With `cost`, the tables also have what a step and the memory took, which no two runs repeat.
    """
    parts = [f"# {title}"]
    names = row_labels(row for block in report.blocks for row in block.rows)
    for block, heading in zip(report.blocks, headings(report.blocks), strict=True):
        parts += [f"## {heading}", _table(block, names, cost=cost)]
    if report.blocks:
        parts.append(f"{FOOTNOTE} {COST_FOOTNOTE}" if cost else FOOTNOTE)
    parts += report.notes
    if report.left_out:
        lines = [f"- `{item.path}`: {item.reason}" for item in report.left_out]
        parts += ["## Left out", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def to_csv(report: Report) -> str:
    """The rows of all blocks in full precision, one line for each trainer, recipe and shots."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_FIELDS)
    for block in report.blocks:
        for row in block.rows:
            writer.writerow(
                [block.dataset, block.backbone, block.weights]
                + [row.trainer, row.recipe, row.shots]
                + [row.base.value, row.base.std, row.new.value, row.new.std]
                + [row.harmonic.value, row.harmonic.std]
                + [len(row.seeds), *row.cost.parameters]
                + [row.cost.step_sec, row.cost.memory_bytes]
            )
    return text.getvalue()


def headings(blocks: Sequence[Block]) -> list[str]:
    """`data set (backbone)`, with the first digits of the weights' hash where they differ."""
    weights = defaultdict(set)
    for block in blocks:
        weights[block.backbone].add(block.weights)
    return [
        f"{block.dataset} ({block.backbone}, weights {block.weights[:8]})"
        if len(weights[block.backbone]) > 1
        else f"{block.dataset} ({block.backbone})"
        for block in blocks
    ]


def row_labels(rows: Iterable[Row]) -> dict[tuple[str, str, int], str]:
    """Names for rows by (trainer, recipe, shots): the recipe and shots only where they differ."""
    rows = list(rows)
    recipes, shots = defaultdict(set), defaultdict(set)
    for row in rows:
        recipes[row.trainer].add(row.recipe)
        shots[row.trainer].add(row.shots)
    labels = {}
    for row in rows:
        details = [row.recipe] if len(recipes[row.trainer]) > 1 else []
        details += [f"{row.shots} shots"] if len(shots[row.trainer]) > 1 else []
        suffix = f" ({', '.join(details)})" if details else ""
        labels[row.trainer, row.recipe, row.shots] = row.trainer + suffix
    return labels


def _table(block: Block, names: dict[tuple[str, str, int], str], *, cost: bool) -> str:
    # Base, New and HM, written out; equal as written means equally best.
    best = [
        max(round(estimate.value, 2) for estimate in column)
        for column in zip(*(_estimates(row) for row in block.rows), strict=True)
    ]
    lines = []
    for row in block.rows:
        accuracies = [
            _cell(estimate, num_seeds=len(row.seeds), bold=round(estimate.value, 2) == top)
            for estimate, top in zip(_estimates(row), best, strict=True)
        ]
        name = names[row.trainer, row.recipe, row.shots]
        cells = [name, row.shots, *accuracies, len(row.seeds), _count(row)]
        lines.append([*cells, *_cost(row)] if cost else cells)
    headers = [*HEADERS, *COST_HEADERS] if cost else HEADERS
    alignment = ("left", *["right"] * (len(headers) - 1))
    return tabulate(
        lines, headers=headers, tablefmt="pipe", colalign=alignment, disable_numparse=True
    )


def _estimates(row: Row) -> tuple[Estimate, Estimate, Estimate]:
    return row.base, row.new, row.harmonic


def _cell(estimate: Estimate, *, num_seeds: int, bold: bool) -> str:
    value = f"**{estimate.value:.2f}**" if bold else f"{estimate.value:.2f}"
    # One seed has no spread; "0.00" would claim that it has none.
    return f"{value} {PLUS_MINUS} {estimate.std:.2f}" if num_seeds > 1 else value


def _count(row: Row) -> str:
    smallest, largest = row.cost.parameters
    return f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"


def _cost(row: Row) -> tuple[str, str]:
    step = row.cost.step_sec
    return "" if step is None else f"{step:.3f}", f"{row.cost.memory_bytes / 1e6:,.0f}"
