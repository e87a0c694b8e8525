"""What trainings cost: parameters, seconds, memory, beside the accuracy that they reached."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports import published
from reports.collect import LeftOut, Method, Run
from reports.consistency import duplicates, notes_on_commits, the_same
from reports.grid import Cell, Document, Grid, Row
from reports.labels import labels
from reports.statistics import Cost, Estimate

COLUMNS = (
    "Accuracy",
    "Trained parameters",
    "Seconds a step",
    "Seconds of training",
    "Peak memory (MB)",
    "Seeds",
)
PUBLISHED_COLUMNS = {
    "setting": "Setting",
    "trainable_params": "Trained parameters",
    "train_time": "Training",
    "inference": "Inference",
    "memory": "Memory",
    "hardware": "Hardware",
    "source": "Source",
}
FOOTNOTE = (
    "Accuracy in percent on the classes that were trained on, mean \u00b1 population standard "
    "deviation over seeds. Seconds a step: the median over a training's optimisation steps, "
    "without loading; of training: all of it, in the last process if it was resumed; means over "
    "seeds. Peak memory: of the training process, or of the GPU; the largest over seeds. Only "
    "trainings on the same device stand in one table."
)


@dataclass(frozen=True)
class CostRow:
    """One method: accuracy over its seeds, and what they took together."""

    label: str
    method: Method
    accuracy: Estimate
    seeds: tuple[int, ...]
    cost: Cost


@dataclass(frozen=True)
class CostBlock:
    """Trainings on the same classes of a data set, from the same weights, on the same device."""

    title: str
    rows: tuple[CostRow, ...]
    facts: dict[str, object]


def cost_blocks(runs: Iterable[Run]) -> tuple[list[CostBlock], list[LeftOut]]:
    """All trainings, and the runs with a twin."""
    trainings = [run for run in runs if run.step_sec is not None and run.split == "test"]
    names = labels(run.method for run in trainings)
    groups: dict[tuple[str, ...], dict[str, dict[int, list[Run]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for run in trainings:
        name = run.dataset, run.subset, run.backbone, run.weights, run.device
        groups[name][names[run.method]][run.seed].append(run)
    blocks, left = [], []
    for (dataset, subset, backbone, weights, device), rows in sorted(groups.items()):
        title = (
            f"{dataset}, {subset} classes ({backbone}, weights {weights[:8] or 'not recorded'}, "
            f"{device or 'device not recorded'})"
        )
        found = [
            row
            for label in sorted(rows, key=lambda label: list(names.values()).index(label))
            if (row := _row(label, rows[label], left))
        ]
        facts = {
            "dataset": dataset,
            "classes": subset,
            "backbone": backbone,
            "weights_sha256": weights,
            "device": device,
        }
        if found:
            blocks.append(CostBlock(title, tuple(found), facts))
    return blocks, left


def _row(label: str, by_seed: dict[int, list[Run]], left: list[LeftOut]) -> CostRow | None:
    single = {}
    for seed, runs in sorted(by_seed.items()):
        chosen = the_same(runs)
        if chosen:
            single[seed] = chosen
        else:
            left += duplicates(runs)
    if not single:
        return None
    accuracy = Estimate.of([run.accuracy for run in single.values()])
    cost = Cost.joint(map(Cost.of, single.values()))
    return CostRow(label, next(iter(single.values())).method, accuracy, tuple(single), cost)


def document(
    runs: Sequence[Run], left_out: Iterable[LeftOut] = (), *, title: str, beside: str = ""
) -> Document:
    """A table for each block; `beside` ("CoOp,MaPLe" or "all") adds the published figures."""
    blocks, left = cost_blocks(runs)
    grids = [
        Grid(block.title, COLUMNS, tuple(map(_written, block.rows)), facts=block.facts)
        for block in blocks
    ]
    notes = [FOOTNOTE] if grids else []
    notes += notes_on_commits(run.method for run in runs if run.step_sec is not None)
    if beside:
        grids.append(_published(beside))
    return Document(title, tuple(grids), tuple(notes), tuple(sorted({*left_out, *left})))


def _written(row: CostRow) -> Row:
    cost = row.cost
    smallest, largest = cost.parameters or (None, None)
    count = "" if smallest is None else f"{smallest:,}"
    entries = (
        Cell(row.accuracy.value, row.accuracy.std, row.seeds),
        count if smallest == largest else f"{count} to {largest:,}",
        "" if cost.step_sec is None else f"{cost.step_sec:.4f}",
        "" if cost.train_sec is None else f"{cost.train_sec:,.1f}",
        "" if cost.memory_bytes is None else f"{cost.memory_bytes / 1e6:,.0f}",
        str(len(row.seeds)),
    )
    method = row.method
    facts = {"trainer": method.trainer, "recipe": method.recipe, "shots": method.shots}
    return Row(row.label, entries, facts | {"commit": method.commit})


def _published(words: str) -> Grid:
    """Figures in words, of different machines: beside ours, not in one column with them."""
    lines = published.read_costs()
    published.check_names(words, {line["method"] for line in lines}, "cost")
    rows = [
        Row(f"{line['method']} {published.PUBLISHED}", tuple(line[k] for k in PUBLISHED_COLUMNS),
            {"trainer": line["method"], "source": line["source"]})
        for line in lines
        if words == "all" or line["method"] in words.split(",")
    ]  # fmt: skip
    columns = tuple(PUBLISHED_COLUMNS.values())
    return Grid(f"{published.PUBLISHED} Published, on other machines", columns, tuple(rows))
