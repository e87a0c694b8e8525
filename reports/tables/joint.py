"""Tables of base-to-new with all class names at once, from the logits of its two tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from reports.layout.grid import Document
from reports.layout.intervals import SPREAD
from reports.layout.labels import labels
from reports.runs.consistency import notes_on_commits
from reports.runs.data_sets import namesakes
from reports.runs.logits import logits_of
from reports.runs.run import LeftOut, Method, Run
from reports.tables.base_to_new_pairs import join_recipes, pair_runs
from reports.tables.joint_numbers import Joint
from reports.tables.places import Columns, Entry, Place, grids_of
from run_files import LOGITS

COLUMNS = Columns(
    {
        "Base": ("base", 1),
        "New": ("new", 1),
        "HM": ("harmonic", 1),
        "AUROC": ("auroc", 1),
        "OpenworldAUC": ("openworld", 1),
        "Base, told": ("told_base", 1),
        "New, told": ("told_new", 1),
    }
)
FOOTNOTE = (
    f"Means \u00b1 {SPREAD}. Base, New, HM: accuracy with the names "
    "of all classes, base and new; told: among the half's own, the usual figures. AUROC: base "
    "images against new ones by the largest softmax probability over the base classes (MCM). "
    "OpenworldAUC (arXiv:2505.05180): of all pairs of a base and a new image the share in which "
    "both are right within their half and the base one has the larger probability of a base class, "
    "in the softmax over all classes."
)


def entries_of(
    folder: Path, runs: Iterable[Run]
) -> tuple[list[Entry], list[LeftOut], list[str], int]:
    """What the logits of all pairs of runs below `folder` say, one pair's at a time.

    Returns:
        The entries, files that cannot be used, notes on recipes, and how many pairs have not kept
        what is needed.
    """
    halves = [run for run in runs if run.subset != "all" and run.split == "test"]
    by_path = {run.path: run for run in halves}
    pairs, left = pair_runs(halves)
    pairs, notes = join_recipes(pairs)
    found: dict[tuple[Place, Method], dict[int, Joint]] = defaultdict(dict)
    without = 0
    for pair in pairs:
        kept = []
        for path in pair.paths:
            try:
                kept += [logits_of(folder, by_path[path])] if by_path[path].logits else []
            except (OSError, ValueError) as error:
                name = Path(path).with_name(LOGITS).as_posix()
                left.append(LeftOut(name, getattr(error, "strerror", None) or str(error)))
        if len(kept) < 2:
            without += not all(by_path[path].logits for path in pair.paths)
            continue
        place = Place(pair.dataset, "both", pair.backbone, pair.weights)
        try:
            found[place, pair.method][pair.seed] = Joint.of(*kept)
        except ValueError:  # what is trained belongs to the base classes, or code of before
            without += 1
    entries = [Entry(place, row, seeds) for (place, row), seeds in sorted(found.items())]
    return entries, left, notes, without


def document(
    folder: Path, runs: Sequence[Run], left_out: Iterable[LeftOut] = (), *, title: str
) -> Document:
    """A table for each data set, and the averages over them."""
    entries, left, notes, without = entries_of(folder, runs)
    names = labels(entry.row for entry in entries)
    grids = grids_of(entries, names, COLUMNS, apart=namesakes(runs))
    notes = ([FOOTNOTE] if grids else []) + notes
    notes += notes_on_commits(entry.row for entry in entries)
    if without:
        notes.append(
            f"{without} pair(s) of base and new results are in no table: they have not kept the "
            "logits of each other's classes (TEST.KEEP_LOGITS False, weights that belong to the "
            "classes of training, or code of before)."
        )
    return Document(title, tuple(grids), tuple(notes), tuple(sorted({*left_out, *left})))
