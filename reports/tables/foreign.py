"""Tables of out-of-distribution detection: images of classes that a model was not trained on.

A model tells the classes of its training apart. The images of its own test are set against those of
every other test of the same model (new classes, other data sets) by how sure it is that an image is
of one of these classes. Tests keep the logits that this takes, see `promptkit.runs.other_classes`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reports.layout.grid import Document
from reports.layout.intervals import SPREAD
from reports.layout.labels import labels
from reports.layout.rows import rows_of
from reports.runs.consistency import notes_on_commits, one_each
from reports.runs.data_sets import namesakes
from reports.runs.logits import logits_of
from reports.runs.run import LeftOut, Method, Run
from reports.tables.joint_numbers import auroc
from reports.tables.places import Columns, Entry, Place, grids_of
from run_files import LOGITS
from run_files.logits import Logits

KEPT = 0.95  # of its own images, for FPR95
COLUMNS = Columns(
    {
        "AUROC, MCM": ("auroc_mcm", 1),
        "FPR95, MCM": ("fpr_mcm", 1),
        "AUROC, energy": ("auroc_energy", 1),
        "FPR95, energy": ("fpr_energy", 1),
    },
    least_is_best=("FPR95, MCM", "FPR95, energy"),
)
FOOTNOTE = (
    f"Means \u00b1 {SPREAD}, in percent. Images of the training's "
    "classes against those of the table's, by logits of the training's classes: MCM, the largest "
    "softmax probability (arXiv:2211.13445); energy, the logarithm of the summed exponentials "
    "(arXiv:2010.03759), both at CLIP's own temperature. FPR95: the share of foreign images that "
    "pass where 95 % of the own do."
)


@dataclass(frozen=True)
class Foreign:
    """How well own images are told from foreign ones, in percent."""

    auroc_mcm: float
    fpr_mcm: float
    auroc_energy: float
    fpr_energy: float

    @classmethod
    def of(cls, own: np.ndarray, foreign: np.ndarray) -> Foreign:
        """Of logits [N, C] and [M, C] of the same classes."""
        numbers = []
        for score in (mcm, energy):
            ours, theirs = score(own), score(foreign)
            numbers += [100 * auroc(ours, theirs), 100 * false_positives(ours, theirs)]
        return cls(*numbers)


def mcm(logits: np.ndarray) -> np.ndarray:
    """[N], the largest softmax probability of logits [N, C]."""
    values = logits.astype(np.float64)
    return 1 / np.exp(values - values.max(axis=1, keepdims=True)).sum(axis=1)


def energy(logits: np.ndarray) -> np.ndarray:
    """[N], log sum exp of logits [N, C]: the negative free energy."""
    values = logits.astype(np.float64)
    top = values.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.exp(values - top).sum(axis=1))


def false_positives(own: np.ndarray, foreign: np.ndarray) -> float:
    """The share of foreign scores that reach the largest threshold which 95 % of the own reach."""
    threshold = np.sort(own)[::-1][int(np.ceil(KEPT * len(own))) - 1]
    return float((foreign >= threshold).mean())


def entries_of(folder: Path, runs: Iterable[Run]) -> tuple[list[Entry], list[LeftOut], int]:
    """What the logits of all tests on foreign images below `folder` say.

    Returns:
        The entries, files that cannot be used, and how many such tests have not kept what is
        needed, or have no test of their model on its own classes beside them.
    """
    trained = [run for run in runs if run.split == "test" and run.trained_on]
    rows = rows_of((_place(run), run.method) for run in trained)
    groups: dict[tuple, list[Run]] = defaultdict(list)
    for run in trained:
        groups[_place(run), rows[run.method], run.seed].append(run)
    single, left = one_each(groups)
    own = {
        (run.trained_on, run.backbone, run.weights, row, seed): run
        for (_, row, seed), run in single.items()
        if run.trained_on == (run.dataset, run.subset)
    }
    found: dict[tuple[Place, Method], dict[int, Foreign]] = defaultdict(dict)
    opened: dict[str, Logits | None] = {}
    without = 0

    def logits(run: Run) -> Logits | None:
        if run.path not in opened:
            opened[run.path] = None
            try:
                opened[run.path] = logits_of(folder, run) if run.logits else None
            except (OSError, ValueError) as error:
                name = Path(run.path).with_name(LOGITS).as_posix()
                left.append(LeftOut(name, getattr(error, "strerror", None) or str(error)))
        return opened[run.path]

    for (place, row, seed), run in sorted(single.items()):
        if run.trained_on == (run.dataset, run.subset):
            continue
        beside = own.get((run.trained_on, run.backbone, run.weights, row, seed))
        ours, theirs = beside and logits(beside), logits(run)
        opened.pop(run.path, None)  # own tests are read once, others are not kept
        if ours and theirs and ours.classnames == theirs.other_classnames:
            found[place, row][seed] = Foreign.of(ours.own, theirs.others)
        else:
            without += 1
    entries = [Entry(place, row, seeds) for (place, row), seeds in sorted(found.items())]
    return entries, left, without


def _place(run: Run) -> Place:
    source = "against {}, {} classes".format(*run.trained_on)
    return Place(run.dataset, run.subset, run.backbone, run.weights, source)


def document(
    folder: Path, runs: Sequence[Run], left_out: Iterable[LeftOut] = (), *, title: str
) -> Document:
    """A table for each data set whose images are foreign, and the averages over them."""
    entries, left, without = entries_of(folder, runs)
    names = labels(entry.row for entry in entries)
    grids = grids_of(entries, names, COLUMNS, apart=namesakes(runs))
    notes = ([FOOTNOTE] if grids else []) + notes_on_commits(entry.row for entry in entries)
    if without:
        notes.append(
            f"{without} test(s) are in no table: their classes are the training's, the logits of "
            "the training's classes are not kept (TEST.KEEP_LOGITS False, weights that belong to "
            "the classes of training, or code of before), or the model's test on its own is not "
            "here."
        )
    return Document(title, tuple(grids), tuple(notes), tuple(sorted({*left_out, *left})))
