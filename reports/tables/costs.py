"""What trainings cost: parameters, seconds, memory, beside the accuracy that they reached."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports.layout.grid import PUBLISHED, Cell, Document, Grid, Row
from reports.layout.headings import headings
from reports.layout.labels import Label, keys, labels, method_facts, within
from reports.layout.rows import rows_of
from reports.published.papers import COST_COLUMNS as PUBLISHED_COLUMNS
from reports.published.papers import check_names, read_costs
from reports.runs.consistency import notes_on_commits, one_each
from reports.runs.run import LeftOut, Method, Run
from reports.tables.estimates import Cost, Estimate

COLUMNS = (
    "Accuracy",
    "Trained parameters",
    "Seconds a step",
    "Seconds of training",
    "Peak memory (MB)",
    "Seeds",
)
FOOTNOTE = (
    "Accuracy in percent on the classes that were trained on, mean \u00b1 population standard "
    "deviation over seeds. Seconds a step: the median over a training's optimisation steps, "
    "without loading; of training: all of it, in the last process if it was resumed; means over "
    "seeds. Peak memory: of the training process, or of the GPU; the largest over seeds. Only "
    "trainings on the same device stand in one table."
)


@dataclass(frozen=True)
class CostRow:
    """One method: accuracy over its seeds, and what they took together.

    Attributes:
        label: as in its block's table.
        line: as in all blocks, and over the numbers of shots, which the figure joins.
    """

    label: Label
    line: Label
    method: Method
    accuracy: Estimate
    seeds: tuple[int, ...]
    cost: Cost


@dataclass(frozen=True)
class CostBlock:
    """Trainings on the same classes of a data set, from the same weights, on the same device.

    Attributes:
        key: of its table.
    """

    title: str
    rows: tuple[CostRow, ...]
    facts: dict[str, object]
    key: tuple[tuple[str, str], ...]


def cost_blocks(runs: Iterable[Run]) -> tuple[list[CostBlock], list[LeftOut]]:
    """All trainings, and the runs with a twin."""
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if run.step_sec is not None and run.split == "test":
            groups[run.dataset, run.subset, run.backbone, run.weights, run.device].append(run)
    lines = rows_of(
        ((place, run.method) for place, group in groups.items() for run in group), over_shots=True
    )
    names = labels(lines.values())
    blocks, left = [], []
    places = sorted(groups)
    for place, title in zip(places, _titles(places), strict=True):
        own = within(names, (lines[run.method] for run in groups[place]))
        found = []
        for line, label in own.items():
            by_shots: dict[int, list[Run]] = defaultdict(list)
            for run in groups[place]:
                if lines[run.method] == line:
                    by_shots[run.shots].append(run)
            for shots, group in sorted(by_shots.items()):
                called = label if len(by_shots) == 1 else label.with_shots(shots)
                found += _row(called, names[line], group, left)
        facts = dict(
            zip(("dataset", "classes", "backbone", "weights_sha256", "device"), place, strict=True)
        )
        if found:
            blocks.append(CostBlock(title, tuple(found), facts, keys(own.values())))
    return blocks, left


def _titles(places: Sequence[tuple[str, ...]]) -> list[str]:
    return headings(
        [(f"{dataset}, {subset} classes", *weights) for dataset, subset, *weights, _ in places],
        [device or "device not recorded" for *_, device in places],
    )


def _row(label: Label, line: Label, runs: Iterable[Run], left: list[LeftOut]) -> list[CostRow]:
    """One row, or none if each of its seeds has two results."""
    by_seed: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        by_seed[run.seed].append(run)
    single, twins = one_each(dict(sorted(by_seed.items())))
    left += twins
    if not single:
        return []
    accuracy = Estimate.of([run.accuracy for run in single.values()])
    cost = Cost.joint(map(Cost.of, single.values()))
    method = next(iter(single.values())).method
    return [CostRow(label, line, method, accuracy, tuple(single), cost)]


def document(
    runs: Sequence[Run], left_out: Iterable[LeftOut] = (), *, title: str, beside: str = ""
) -> Document:
    """A table for each block; `beside` ("CoOp,MaPLe" or "all") adds the published figures."""
    blocks, left = cost_blocks(runs)
    grids = [
        Grid(
            block.title,
            COLUMNS,
            tuple(map(_written, block.rows)),
            facts=block.facts,
            key=block.key,
        )
        for block in blocks
    ]
    notes = [FOOTNOTE] if grids else []
    notes += notes_on_commits(run.method for run in runs if run.step_sec is not None)
    if beside:
        grids.append(_published(beside))
    return Document(title, tuple(grids), tuple(notes), tuple(sorted({*left_out, *left})))


def _written(row: CostRow) -> Row:
    cost = row.cost
    entries = (
        Cell(row.accuracy.value, row.accuracy.std, row.seeds),
        cost.parameters_text,
        "" if cost.step_sec is None else f"{cost.step_sec:.4f}",
        "" if cost.train_sec is None else f"{cost.train_sec:,.1f}",
        cost.memory_text,
        str(len(row.seeds)),
    )
    method = row.method
    facts = method_facts(row.label, method, method.recipe)
    return Row(row.label.text, entries, facts, row.line)


def _published(words: str) -> Grid:
    """Figures in words, of different machines: beside ours, not in one column with them."""
    lines = read_costs()
    check_names(words, {line["method"] for line in lines}, "cost")
    rows = [
        Row(f"{line['method']} {PUBLISHED}",
            tuple(line[key] for key in PUBLISHED_COLUMNS),
            {"trainer": line["method"], "source": line["source"]})
        for line in lines
        if words == "all" or line["method"] in words.split(",")
    ]  # fmt: skip
    columns = tuple(PUBLISHED_COLUMNS.values())
    return Grid(f"{PUBLISHED} Published, on other machines", columns, tuple(rows))
