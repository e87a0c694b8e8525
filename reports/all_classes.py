"""Tables on all classes: cross-dataset, domain generalisation, few-shot, zero-shot.

Rows are methods, columns are data sets (or numbers of shots), and every cell says what it is the
mean of. Only runs with the same backbone and weights stand in one table.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from reports.collect import LeftOut, Run
from reports.statistics import Estimate, trainer_order

AVERAGE = "Average"
FOOTNOTE = (
    "Accuracy in percent, mean \u00b1 population standard deviation over seeds (no \u00b1 for a "
    "single seed). A number in parentheses is the count of seeds where a row's cells differ in it. "
    "Bold: best of its column. The average is over the columns it names, seed by seed, and only "
    "where a method has all of them."
)


@dataclass(frozen=True)
class Cell:
    """One method in one column: its accuracy over seeds."""

    estimate: Estimate
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """Methods by columns; `cells` has no entry where there is no run."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]


@dataclass(frozen=True)
class Protocol:
    """How the runs of one protocol are found and laid out.

    Attributes:
        belongs: whether a run on all classes is one of the protocol's.
        block: what a table is about, besides backbone and weights.
        column: name of a run's column.
        averaged: whether a run's column is in the average; None for a table without one.
    """

    belongs: Callable[[Run], bool]
    block: Callable[[Run], str]
    column: Callable[[Run], str]
    averaged: Callable[[Run], bool] | None = None


SOURCES_WITH_VARIANTS = ("ImageNet", "PocketShapes")  # ImageNetA, PocketShapesMurky, ...


def _is_zero_shot(run: Run) -> bool:
    return run.trained_parameters == 0


def _is_variant(run: Run) -> bool:
    return any(
        run.dataset != source and run.dataset.startswith(source) for source in SOURCES_WITH_VARIANTS
    )


def _is_source(run: Run) -> bool:
    return run.dataset in SOURCES_WITH_VARIANTS


def _is_at_home(run: Run) -> bool:
    return bool(run.trained_on) and run.dataset == run.trained_on[0]


PROTOCOLS = {
    "cross-dataset": Protocol(
        belongs=lambda run: not _is_variant(run),
        block=lambda run: f"from {run.trained_on[0]}",
        column=lambda run: run.dataset,
        averaged=lambda run: not _is_at_home(run),
    ),
    "domain-generalization": Protocol(
        belongs=lambda run: _is_variant(run) or _is_at_home(run) or _is_source(run),
        block=lambda run: f"from {run.trained_on[0]}",
        column=lambda run: run.dataset,
        averaged=lambda run: not _is_at_home(run),
    ),
    "few-shot": Protocol(
        belongs=lambda run: run.trained_on == (run.dataset, "all"),
        block=lambda run: run.dataset,
        column=lambda run: f"{run.shots} shots",
    ),
    "zero-shot": Protocol(
        belongs=_is_zero_shot,
        block=lambda run: "zero-shot",
        column=lambda run: run.dataset,
        averaged=lambda run: True,
    ),
}


TRANSFERS = ("cross-dataset", "domain-generalization")


def tables_of(
    protocol: str, runs: Iterable[Run], left_out: Iterable[LeftOut] = ()
) -> tuple[list[Table], list[LeftOut]]:
    """The tables of a protocol, and the results that are in none of their cells with the reason.

    Results on base or new classes are another protocol's and are passed over.
    """
    kind = PROTOCOLS[protocol]
    left = list(left_out)
    blocks: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    zero_shot = []
    for run in runs:
        if run.subset != "all" or not kind.belongs(run):
            continue
        if _is_zero_shot(run) and protocol in TRANSFERS:
            zero_shot.append(run)
        elif run.trained_on is None and protocol != "zero-shot":
            left.append(LeftOut(run.path, "it does not say what it was trained on"))
        elif run.trained_on and run.trained_on[1] != "all":
            left.append(LeftOut(run.path, f"trained on {run.trained_on[1]} classes, not on all"))
        elif run.split != "test":
            left.append(LeftOut(run.path, f"split must be test; got {run.split!r}"))
        else:
            blocks[kind.block(run), run.backbone, run.weights].append(run)
    if protocol in TRANSFERS:
        blocks = {name: _transferred(group) for name, group in blocks.items()}
        _add_zero_shot(blocks, zero_shot)
    tables = [_table(kind, name, group, left) for name, group in sorted(blocks.items()) if group]
    return [table for table in tables if table.cells], sorted(left)


def _add_zero_shot(blocks: dict[tuple[str, str, str], list[Run]], runs: list[Run]) -> None:
    """Zero-shot rows beside the tuned ones of every source, or in a table of their own."""
    for run in runs:
        names = [name for name, group in blocks.items() if group and name[1:] == _backbone(run)]
        for name in names or [("zero-shot", *_backbone(run))]:
            blocks.setdefault(name, []).append(run)


def _backbone(run: Run) -> tuple[str, str]:
    return run.backbone, run.weights


def _transferred(runs: list[Run]) -> list[Run]:
    """Without the methods that were tested on their source alone."""
    elsewhere = {_method(run) for run in runs if not _is_at_home(run)}
    return [run for run in runs if _method(run) in elsewhere]


def _table(kind: Protocol, name: tuple[str, str, str], runs: list[Run], left: list) -> Table:
    block, backbone, weights = name
    few_shot = kind is PROTOCOLS["few-shot"]
    accuracies: dict[tuple[str, str], dict[int, list[Run]]] = defaultdict(lambda: defaultdict(list))
    labels = _few_shot_labels(runs) if few_shot else _labels(runs)
    for run in runs:
        accuracies[labels[_method(run)], kind.column(run)][run.seed].append(run)
    cells = {}
    for key, by_seed in accuracies.items():
        _join_repetitions(by_seed)
        for seed in [seed for seed, twins in by_seed.items() if len(twins) > 1]:
            twins = by_seed.pop(seed)
            names = ", ".join(run.path for run in twins)
            left += [LeftOut(run.path, f"duplicate: the same cell as {names}") for run in twins]
        if by_seed:
            cells[key] = _cell({seed: run.accuracy for seed, (run,) in by_seed.items()})
    columns = _columns(kind, runs)
    rows = sorted({row for row, _ in cells}, key=trainer_order)
    if kind.averaged:
        targets = sorted({kind.column(run) for run in runs if kind.averaged(run)})
        title = f"{AVERAGE} of {len(targets)}"
        columns.append(title)
        for row in rows:
            values = [accuracies[row, column] for column in targets]
            seeds = sorted(set.intersection(*map(set, values)))
            if seeds:
                means = {s: float(np.mean([v[s][0].accuracy for v in values])) for s in seeds}
                cells[row, title] = _cell(means)
    title = f"{block} ({backbone}, weights {weights[:8]})"
    return Table(title, tuple(columns), tuple(rows), cells)


def _columns(kind: Protocol, runs: list[Run]) -> list[str]:
    if kind is PROTOCOLS["few-shot"]:
        return [f"{shots} shots" for shots in sorted({run.shots for run in runs})]
    home = sorted({kind.column(run) for run in runs if _is_at_home(run)})
    return home + sorted({kind.column(run) for run in runs} - set(home))


def _join_repetitions(by_seed: dict[int, list[Run]]) -> None:
    """Keeps one of runs with the very same accuracy: two protocols share trainings and tests."""
    for seed, runs in by_seed.items():
        if len({(run.recipe, run.accuracy) for run in runs}) == 1:
            by_seed[seed] = runs[:1]


def _method(run: Run) -> tuple[str, str, int]:
    # The number of shots means nothing where nothing is trained.
    return run.trainer, run.recipe, 0 if _is_zero_shot(run) else run.shots


def _labels(runs: Sequence[Run]) -> dict[tuple[str, str, int], str]:
    methods = {_method(run) for run in runs}
    labels = {}
    for trainer, recipe, shots in methods:
        alone = sum(other[0] == trainer for other in methods) == 1
        name = trainer if alone else f"{trainer} ({recipe}, {shots} shots)"
        labels[trainer, recipe, shots] = name
    return labels


def _few_shot_labels(runs: Sequence[Run]) -> dict[tuple[str, str, int], str]:
    """The recipe may follow the number of shots, as CoOp's does, and is named where it does not."""
    recipes = defaultdict(set)
    for run in runs:
        recipes[run.trainer, run.shots].add(run.recipe)
    unclear = {trainer for (trainer, _), found in recipes.items() if len(found) > 1}
    return {
        _method(run): f"{run.trainer} ({run.recipe})" if run.trainer in unclear else run.trainer
        for run in runs
    }


def _cell(accuracy: dict[int, float]) -> Cell:
    values = list(accuracy.values())
    return Cell(Estimate(float(np.mean(values)), float(np.std(values))), tuple(sorted(accuracy)))


def to_markdown(tables: Sequence[Table], left_out: Sequence[LeftOut], *, title: str) -> str:
    """All tables, the footnote, and what was left out."""
    parts = [f"# {title}"]
    for table in tables:
        lines = [[row, *(_written(table, row, column) for column in table.columns)]
                 for row in table.rows]  # fmt: skip
        alignment = ("left", *["right"] * len(table.columns))
        text = tabulate(
            lines, headers=["Trainer", *table.columns], tablefmt="pipe",
            colalign=alignment, disable_numparse=True,
        )  # fmt: skip
        parts += [f"## {table.title}", text]
    if tables:
        parts.append(FOOTNOTE)
    if left_out:
        parts += ["## Left out", "\n".join(f"- `{x.path}`: {x.reason}" for x in left_out)]
    return "\n\n".join(parts) + "\n"


def _written(table: Table, row: str, column: str) -> str:
    cell = table.cells.get((row, column))
    if cell is None:
        return ""
    best = max(round(c.estimate.value, 2) for (_, name), c in table.cells.items() if name == column)
    text = f"{cell.estimate.value:.2f}"
    text = f"**{text}**" if round(cell.estimate.value, 2) == best else text
    if len(cell.seeds) > 1:
        text += f" \u00b1 {cell.estimate.std:.2f}"
    counts = {len(c.seeds) for (name, _), c in table.cells.items() if name == row}
    return f"{text} ({len(cell.seeds)})" if len(counts) > 1 else text


def to_csv(tables: Sequence[Table]) -> str:
    """All cells in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["table", "trainer", "column", "accuracy", "std", "seeds"])
    for table in tables:
        for row in table.rows:
            for column in table.columns:
                cell = table.cells.get((row, column))
                if cell:
                    seeds = " ".join(map(str, cell.seeds))
                    value = cell.estimate
                    writer.writerow([table.title, row, column, value.value, value.std, seeds])
    return text.getvalue()
