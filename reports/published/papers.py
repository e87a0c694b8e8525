"""Published numbers, as their authors or a later paper printed them: the csv files in numbers/.

All are of ViT-B/16, but the files with another backbone in their name, and of 16 images a class
unless a row says otherwise. Where the spread over seeds was published too, columns `<name>_std`
hold it. Cells whose harmonic mean or average does not follow from the other cells are kept as
published and marked (`inconsistencies.csv`). What a comparison has to know of a method (unlabelled
images of all classes, a teacher, constants chosen per data set ...) is in `marks.csv`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.files import read_text
from reports.layout.grid import NOT_RECOMPUTED, PUBLISHED, Cell, Row
from reports.layout.labels import Label
from reports.runs.benchmark_names import ELEVEN, place_of
from reports.unknown_names import check_name

FOLDER = Path(__file__).parent / "numbers"
BACKBONE = "ViT-B/16"
OTHER_BACKBONES = {"few_shot_rn50.csv": "RN50"}
SHOTS = 16
AVERAGE = "average"
OPEN = 1  # the variant of a method's markers that are not filled
FILES = {
    "base2new": ("base_to_new.csv", "base_to_new_reruns.csv", "base_to_new_by_shots.csv"),
    "cross-dataset": ("cross_dataset.csv",),
    "domain-generalization": ("domain_generalization.csv",),
    "few-shot": ("few_shot.csv", "few_shot_rn50.csv"),
    "cost": ("cost.csv",),
}
# Columns of cost.csv, and how a table calls them.
COST_COLUMNS = {
    "setting": "Setting",
    "trainable_params": "Trained parameters",
    "train_time": "Training",
    "inference": "Inference",
    "memory": "Memory",
    "hardware": "Hardware",
    "source": "Source",
}
# The words of inconsistencies.csv that mean another column than base or new.
HARMONIC_WORDS = ("hm",)
NOTE = (
    f"{PUBLISHED} published, not run here ({SHOTS} shots where none are named); the "
    "source of each row is in the CSV and in reports/published/numbers/. "
    f"{NOT_RECOMPUTED} does not follow from the published cells that it is an average or a "
    "harmonic mean of."
)


@dataclass(frozen=True)
class Published:
    """One line of a file.

    Attributes:
        place: data set, or "average"; see `place_of`.
        values, stds: by column: base, new and hm, or accuracy.
        wrong: columns that do not recompute.
        marks: what a comparison has to know of the method.
    """

    method: str
    place: str
    shots: int
    values: dict[str, float]
    stds: dict[str, float]
    wrong: frozenset[str]
    source: str
    backbone: str = BACKBONE
    marks: tuple[str, ...] = ()

    def entry(self, column: str) -> Cell:
        """The cell of a column."""
        mark = PUBLISHED + (NOT_RECOMPUTED if column in self.wrong else "")
        return Cell(self.values[column], self.stds.get(column), mark=mark)

    def row(self, entries: Sequence[Cell | str], *, shots: bool = True) -> Row:
        """A row of these entries; without `shots` if they are of several numbers of shots."""
        facts: dict[str, object] = {"trainer": self.method, "source": self.source}
        if shots:
            facts["shots"] = self.shots
        if self.marks:
            facts["marks"] = "; ".join(self.marks)
        return Row(self.label.text, tuple(entries), facts, self.label)

    @property
    def label(self) -> Label:
        """What its row is called; the key of a table says its marks."""
        text = f"{self.method} {PUBLISHED}"
        return Label(text, text, OPEN, details="; ".join(self.marks))


def read(protocol: str, folder: Path = FOLDER) -> list[Published]:
    """All published results of a protocol of FILES but cost."""
    wrong, marks = _inconsistencies(folder), read_marks(folder)
    found = []
    for name in FILES[protocol]:
        for number, line in enumerate(_lines(folder / name, ("method", "source")), 2):
            try:
                found.append(_published(line, name, wrong, marks))
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"{folder / name}, line {number}: no line of a table of published numbers "
                    f"({type(error).__name__}: {error}); see README.md beside it."
                ) from error
    seen: set[tuple] = set()  # the file of several shots repeats what others have
    keys = ((x, (x.method, x.place, x.shots, x.backbone)) for x in found)
    return [x for x, key in keys if key not in seen and not seen.add(key)]


def read_marks(folder: Path = FOLDER) -> dict[str, tuple[str, ...]]:
    """{method: marks} of `marks.csv`."""
    path = folder / "marks.csv"
    found: dict[str, tuple[str, ...]] = {}
    for line in _lines(path, ("method", "mark", "evidence")) if path.exists() else ():
        found[line["method"]] = (*found.get(line["method"], ()), line["mark"])
    return found


def marks_of(method: str, marks: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Those of all parts of a method, `MaPLe+DPC`, in any edition, `CoPrompt (re-run by ...)`."""
    parts = re.sub(r" \(.*\)$", "", method).split("+")
    if "" in parts:  # of MMRL++
        parts = ["+".join(parts)]
    return tuple(dict.fromkeys(mark for part in parts for mark in marks.get(part, ())))


def _published(line: dict[str, str], name: str, wrong: dict, marks: dict) -> Published:
    """One line of the file `name`."""
    shots = int(line.get("shots") or SHOTS)
    place = line.get("dataset") or line["target"]
    key = name, line["method"] + (f" {shots}-shot" if "by_shots" in name else ""), place
    columns = [column for column in ("base", "new", "hm", "accuracy") if line.get(column)]
    return Published(
        line["method"], place_of(place), shots,
        {column: float(line[column]) for column in columns},
        {c: float(line[f"{c}_std"]) for c in columns if line.get(f"{c}_std")},
        wrong.get(key, frozenset()), line["source"], OTHER_BACKBONES.get(name, BACKBONE),
        marks_of(line["method"], marks),
    )  # fmt: skip


def read_costs(folder: Path = FOLDER) -> list[dict[str, str]]:
    """The lines of cost.csv: figures in words, of different machines."""
    return _lines(folder / "cost.csv", ("method", *COST_COLUMNS))


def choose(protocol: str, words: str, folder: Path = FOLDER) -> list[Published]:
    """Of a protocol's published results those of the methods `words`: "CoOp,MaPLe", or "all".

    Raises:
        UnknownNameError: a method has none.
    """
    rows = [] if protocol not in FILES or protocol == "cost" else read(protocol, folder)
    check_names(words, {row.method for row in rows}, protocol)
    names = words.split(",")
    return [row for row in rows if words == "all" or row.method in names]


def publications(rows: Iterable[Published], protocol: str) -> dict[tuple, list[float]]:
    """Every published value of the methods of `rows`: their own papers' and re-runs by others.

    Returns:
        {(method, shots, column): values}, of those that more than one publication has.
    """
    editions: dict[tuple, list[Published]] = {}
    for row in read(protocol):
        name = re.sub(r" \(re-run by .*\)$", "", row.method)
        editions.setdefault((name, row.place, row.shots, row.backbone), []).append(row)
    found: dict[tuple, list[float]] = {}
    for row in rows:
        for other in editions.get((row.method, row.place, row.shots, row.backbone), []):
            for column, value in other.values.items():
                found.setdefault((row.method, row.shots, column), []).append(value)
    return {key: values for key, values in found.items() if len(values) > 1}


def check_names(words: str, known: Iterable[str], protocol: str) -> None:
    """Checks that all methods of `words` are known; "all" are if there is one.

    Raises:
        UnknownNameError: one is not.
    """
    known = sorted(known)
    for name in () if words == "all" and known else words.split(","):
        check_name("--published", f"published {protocol} result of", name, known)


def of_data_set(rows: Iterable[Published], title: str, others: Iterable[str]) -> list[Published]:
    """Those of one data set of a table; of an average if `others` are just the eleven it is of."""
    average = {place_of(name) for name in others} == ELEVEN
    place = AVERAGE if title.startswith("Average") and average else place_of(title)
    return [row for row in rows if row.place == place]


def _lines(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The lines of a csv that has `columns`, by column."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restval="")
    try:
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{path} lacks the column(s) {', '.join(sorted(missing))}")
        return list(reader)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not csv ({error})") from error


def _inconsistencies(folder: Path) -> dict[tuple[str, str, str], frozenset[str]]:
    """{(file, method, place): columns}."""
    found: dict[tuple[str, str, str], set[str]] = {}
    path = folder / "inconsistencies.csv"
    for line in _lines(path, ("file", "method", "where", "what")) if path.exists() else ():
        words = line["what"].split()
        if words[0] in HARMONIC_WORDS:
            column = "hm"
        else:  # "average base", "average new", "mean of targets"
            column = words[-1] if words[-1] in ("base", "new") else "accuracy"
        found.setdefault((line["file"], line["method"], line["where"]), set()).add(column)
    return {key: frozenset(columns) for key, columns in found.items()}


def harmonic_means_of_other_kind(rows: Iterable[Published], kind: str) -> list[str]:
    """Methods whose published average HM is not of `kind` (hm-of-averages or mean-of-hms)."""
    lines = _lines(FOLDER / "average_hm_kind.csv", ("method", "kind"))
    kinds = {line["method"]: line["kind"] for line in lines}
    names = {row.method for row in rows if row.place == AVERAGE}
    return sorted(name for name in names if kinds.get(name, kind) not in (kind, "unknown"))


def verdict(ours: Cell, theirs: Cell) -> str:
    """Where our mean lies by the published spread: within one standard deviation, or outside."""
    if theirs.std is None:
        return "spread not published"
    if abs(ours.value - theirs.value) <= theirs.std:
        return "within"
    return "above" if ours.value > theirs.value else "below"
