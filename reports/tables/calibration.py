"""Tables of calibration: for each data set and the classes that were tested, and averages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reports.layout.grid import Document
from reports.layout.intervals import SPREAD
from reports.layout.labels import Label, labels, within
from reports.layout.rows import rows_of
from reports.runs.consistency import notes_on_commits, one_each
from reports.runs.data_sets import namesakes
from reports.runs.logits import logits_of
from reports.runs.run import LeftOut, Method, Run
from reports.tables.calibration_numbers import BINS, Answers, Bins, equal_width
from reports.tables.places import OWN, Columns, Entry, Place, grids_of, titles_of
from run_files import LOGITS

# A proper score is shown a hundred times as large.
COLUMNS = Columns(
    {
        "Accuracy": ("accuracy", 1),
        "ECE": ("ece", 1),
        "Adaptive ECE": ("adaptive", 1),
        "MCE": ("maximum", 1),
        "NLL x 100": ("nll", 100),
        "Brier x 100": ("brier", 100),
        "Confidence - accuracy": ("bias", 1),
    },
    least_is_best=("ECE", "Adaptive ECE", "MCE", "NLL x 100", "Brier x 100"),
    not_ranked=("Confidence - accuracy",),
)
SCALED = " + temperature"
FOOTNOTE = (
    f"Means \u00b1 {SPREAD}. Confidence: the largest softmax "
    f"probability over the classes of the test. ECE: over {BINS} bins of equal width; adaptive "
    "ECE: of as many images each; MCE: the largest gap of a bin of equal width; all in percent. "
    "NLL in nats, Brier from 0 to 2. Confidence - accuracy above 0: over-confident. "
    f"Rows{SCALED}: logits divided by the temperature of least NLL on the few-shot validation "
    "images of the training, those of zero-shot on the same. In the figure the areas of the dots "
    "go with the images in a bin."
)


@dataclass(frozen=True)
class Tested(Entry):
    """An entry whose numbers are of `Calibration`.

    Attributes:
        bins: of all seeds together, for the diagram.
    """

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
    temperatures = _temperatures(run for run in of_test if run.temperature)
    by_row: dict[tuple[Place, Method], dict[int, tuple]] = defaultdict(dict)
    for (place, row, seed), run in sorted(single.items()):
        try:
            logits = logits_of(folder, run)
        except (OSError, ValueError) as error:
            name = Path(run.path).with_name(LOGITS).as_posix()
            left.append(LeftOut(name, getattr(error, "strerror", None) or str(error)))
            continue
        scales = {row: 1.0}
        scale = temperatures.get(_model(run))
        # Zero-shot has none of another data set's training, beside which it may stand.
        if scale is not None and not (run.is_zero_shot and place.source != OWN):
            scales[replace(row, trainer=f"{row.trainer}{SCALED}")] = scale
        for entry, factor in scales.items():
            answers = Answers.of(logits.logits / factor, logits.labels)
            by_row[place, entry][seed] = answers.calibration(), answers.confidence, answers.right
    found = []
    for (place, row), seeds in by_row.items():
        numbers = {seed: entry[0] for seed, entry in seeds.items()}
        confidence, right = (np.concatenate([x[i] for x in seeds.values()]) for i in (1, 2))
        found.append(Tested(place, row, numbers, equal_width(confidence, right)))
    return found, left, len(of_test) - len(with_logits)


def _temperatures(runs: Iterable[Run]) -> dict[tuple, float]:
    """By model; none where two runs of one disagree."""
    found: dict[tuple, set[float]] = defaultdict(set)
    for run in runs:
        found[_model(run)].add(run.temperature)
    return {model: values.pop() for model, values in found.items() if len(values) == 1}


def _model(run: Run) -> tuple:
    """What a temperature belongs to: a method, seed, and the classes of its training."""
    zero_shot = run.dataset, "base" if run.subset == "new" else run.subset
    return run.method, run.seed, run.backbone, run.weights, run.trained_on or zero_shot


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
    diagrams = []
    for place, name in titles_of(sorted({entry.place for entry in entries})).items():
        own = {
            entry.row: entry.bins
            for entry in entries
            if entry.place == place and not entry.row.trainer.endswith(SCALED)
        }
        called = within(names, own)
        diagrams.append(Diagrams(name, {called[row]: own[row] for row in called}))
    grids = grids_of(entries, names, COLUMNS, apart=namesakes(runs))
    notes = [FOOTNOTE] if grids else []
    notes += notes_on_commits(entry.row for entry in entries)
    if without:
        notes.append(
            f"{without} result(s) are in no table: they have kept no logits (TEST.KEEP_LOGITS "
            "False, or code of before). Delete their result.json and give the same commands again."
        )
    documented = Document(title, tuple(grids), tuple(notes), tuple(sorted({*left_out, *left})))
    return documented, diagrams
