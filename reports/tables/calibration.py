"""Tables of calibration: for each data set and the classes that were tested, and averages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from reports.layout.grid import Cell, Document, Grid, Row
from reports.layout.headings import headings
from reports.layout.labels import Label, keys, labels, method_facts, within
from reports.layout.rows import rows_of
from reports.runs.consistency import notes_on_commits, one_each
from reports.runs.data_sets import namesakes
from reports.runs.logits import logits_of
from reports.runs.run import LeftOut, Method, Run
from reports.tables.averages import AVERAGE
from reports.tables.calibration_numbers import BINS, Answers, Bins, Calibration, equal_width
from reports.tables.estimates import Estimate
from run_files import LOGITS

# Fields of `Calibration` by column; a proper score is shown a hundred times as large.
COLUMNS = {
    "Accuracy": ("accuracy", 1),
    "ECE": ("ece", 1),
    "Adaptive ECE": ("adaptive", 1),
    "MCE": ("maximum", 1),
    "NLL x 100": ("nll", 100),
    "Brier x 100": ("brier", 100),
    "Confidence - accuracy": ("bias", 1),
}
LEAST_IS_BEST = ("ECE", "Adaptive ECE", "MCE", "NLL x 100", "Brier x 100")
NOT_RANKED = ("Confidence - accuracy",)
FOOTNOTE = (
    "Means \u00b1 population standard deviation over seeds. Confidence: the largest softmax "
    f"probability over the classes of the test. ECE: over {BINS} bins of equal width; adaptive "
    "ECE: of as many images each; MCE: the largest gap of a bin of equal width; all in percent. "
    "NLL in nats, Brier from 0 to 2. Confidence - accuracy above 0: over-confident. "
    "In the figure the areas of the dots go with the images in a bin."
)
OWN = ""  # the source of what was trained on its own data set, and of zero-shot


@dataclass(frozen=True, order=True)
class Place:
    """What results have in common that may be compared.

    Attributes:
        subset: the classes that were told apart.
        source: what was trained on, where that is another data set or other classes.
    """

    dataset: str
    subset: str
    backbone: str
    weights: str
    source: str = OWN


@dataclass(frozen=True)
class Tested:
    """One method in one place: what its seeds' logits say.

    Attributes:
        row: of its method.
        bins: of all seeds together, for the diagram.
    """

    place: Place
    row: Method
    numbers: dict[int, Calibration]
    bins: Bins


@dataclass(frozen=True)
class Diagrams:
    """What a figure shows of one place: bins by label."""

    title: str
    bins: dict[Label, Bins]


def tested(folder: Path, runs: Iterable[Run]) -> tuple[list[Tested], list[LeftOut], int]:
    """Reads the logits of all runs below `folder`, one run's at a time.

    Returns:
        What they say, the files that cannot be used, and how many runs have kept none.
    """
    of_test = [run for run in runs if run.split == "test"]
    with_logits = [run for run in of_test if run.logits]
    trained = {_place(run) for run in with_logits if not run.is_zero_shot}
    kept = [(place, run) for run in with_logits for place in _places(run, trained)]
    groups: dict[tuple, list[Run]] = defaultdict(list)
    rows = rows_of((place, run.method) for place, run in kept)
    for place, run in kept:
        groups[place, rows[run.method], run.seed].append(run)
    single, left = one_each(groups)
    by_row: dict[tuple[Place, Method], dict[int, tuple]] = defaultdict(dict)
    for (place, row, seed), run in sorted(single.items()):
        try:
            logits = logits_of(folder, run)
        except (OSError, ValueError) as error:
            name = Path(run.path).with_name(LOGITS).as_posix()
            left.append(LeftOut(name, getattr(error, "strerror", None) or str(error)))
            continue
        answers = Answers.of(logits.logits, logits.labels)
        by_row[place, row][seed] = answers.calibration(), answers.confidence, answers.right
    found = []
    for (place, row), seeds in by_row.items():
        numbers = {seed: entry[0] for seed, entry in seeds.items()}
        confidence, right = (np.concatenate([x[i] for x in seeds.values()]) for i in (1, 2))
        found.append(Tested(place, row, numbers, equal_width(confidence, right)))
    return found, left, len(of_test) - len(with_logits)


def _place(run: Run) -> Place:
    return Place(run.dataset, run.subset, run.backbone, run.weights, _source(run))


def _places(run: Run, trained: Collection[Place]) -> list[Place]:
    """Where a result stands: one place, but zero-shot beside whatever was trained."""
    own = _place(run)
    beside = [place for place in trained if replace(place, source=OWN) == own]
    return sorted(beside) if run.is_zero_shot and beside else [own]


def _source(run: Run) -> str:
    own = [(run.dataset, run.subset)] + [(run.dataset, "base")] * (run.subset == "new")
    if run.trained_on is None or run.trained_on in own:
        return OWN
    return "trained on {}, {} classes".format(*run.trained_on)


def document(
    folder: Path, runs: Sequence[Run], left_out: Iterable[LeftOut] = (), *, title: str
) -> tuple[Document, list[Diagrams]]:
    """A table for each place, and for each kind of classes the average over data sets."""
    entries, left, without = tested(folder, runs)
    names = labels(entry.row for entry in entries)
    places = sorted({entry.place for entry in entries})
    titles = dict(zip(places, _titles(places), strict=True))
    grids, diagrams = [], []
    for place in places:
        own = {entry.row: entry for entry in entries if entry.place == place}
        called = within(names, own)
        values = {row: own[row].numbers for row in called}
        grids.append(_grid(titles[place], place, called, names, values))
        bins = {called[row]: own[row].bins for row in called}
        diagrams.append(Diagrams(titles[place], bins))
    grids += _averages(entries, names, namesakes(runs))
    notes = [FOOTNOTE] if grids else []
    notes += notes_on_commits(entry.row for entry in entries)
    if without:
        notes.append(
            f"{without} result(s) are in no table: they have kept no logits (TEST.KEEP_LOGITS "
            "False, or code of before). Delete their result.json and give the same commands again."
        )
    documented = Document(title, tuple(grids), tuple(notes), tuple(sorted({*left_out, *left})))
    return documented, diagrams


def _titles(places: Sequence[Place]) -> list[str]:
    return headings(
        [
            (", ".join(filter(None, (place.dataset, f"{place.subset} classes", place.source))),
             place.backbone, place.weights)
            for place in places
        ]
    )  # fmt: skip


def _averages(
    entries: Sequence[Tested], names: dict[Method, Label], apart: Collection[str]
) -> list[Grid]:
    """Of the rows that have all data sets: means over them of each seed that all have.

    Args:
        apart: data sets that are in no average, since others have their name.
    """
    groups: dict[Place, list[Tested]] = defaultdict(list)
    for entry in entries:
        if entry.place.dataset not in apart:
            groups[replace(entry.place, dataset="")].append(entry)
    grids = []
    for key, group in sorted(groups.items(), key=lambda item: item[0]):
        datasets = {entry.place.dataset for entry in group}
        if len(datasets) < 2:
            continue
        values: dict[Method, dict[int, Calibration]] = {}
        for row in {entry.row for entry in group}:
            own = [entry.numbers for entry in group if entry.row == row]
            seeds = sorted(set.intersection(*map(set, own)))
            if len(own) == len(datasets) and seeds:
                values[row] = {seed: _mean([x[seed] for x in own]) for seed in seeds}
        called = within(names, values)
        if called:
            place = replace(key, dataset=f"{AVERAGE} of {len(datasets)}")
            (title,) = _titles([place])
            grids.append(_grid(title, place, called, names, values))
    return grids


def _mean(numbers: Sequence[Calibration]) -> Calibration:
    names = [item.name for item in fields(Calibration)]
    return Calibration(*(float(np.mean([getattr(x, name) for x in numbers])) for name in names))


def _grid(
    title: str,
    place: Place,
    called: dict[Method, Label],
    names: dict[Method, Label],
    values: dict[Method, dict[int, Calibration]],
) -> Grid:
    rows = []
    for row, label in called.items():
        cells = []
        for name, factor in COLUMNS.values():
            estimate = Estimate.of([factor * getattr(x, name) for x in values[row].values()])
            cells.append(Cell(estimate.value, estimate.std, tuple(values[row])))
        facts = method_facts(label, row, row.recipe)
        entries = (*cells, str(len(values[row])))
        rows.append(Row(label.text, entries, facts, names[row]))
    facts = {
        "dataset": place.dataset, "classes": place.subset, "source": place.source,
        "backbone": place.backbone, "weights_sha256": place.weights,
    }  # fmt: skip
    columns = (*COLUMNS, "Seeds")
    return Grid(title, columns, tuple(rows), facts=facts, key=keys(called.values()),
                least_is_best=LEAST_IS_BEST, not_ranked=NOT_RANKED)  # fmt: skip
