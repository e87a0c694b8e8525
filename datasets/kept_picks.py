"""Few-shot picks on disk, in `<data set folder>/split_fewshot/`, in one of three forms, or several:

    shot_{K}-seed_{SEED}.pkl          CoOp's, pickled Datum objects with absolute paths
    shot_{K}-seed_{SEED}.json         lists of [path below the folder, label, class name]
    shot_{K}-seed_{SEED}_train.jsonl  that of the 165 splits of arXiv:2503.11609, a Datum a line;
    shot_{K}-seed_{SEED}_val.jsonl    without the second, val is whole, as ImageNet's

Drawn picks are written in the first two; `python -m datasets.picks` makes the third of them. Any
one is enough to read. Pickles are read as harmless data, see `datasets.pickled_lists`; and a
pick is always an item of the split at hand, so a moved data folder or a foreign cache does no harm.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from dassl.data.datasets import Datum
from dassl.utils import mkdir_if_missing, write_json
from datasets.entries import Entry, as_lists
from datasets.pickled_lists import as_entry, kept_parts, read_pickled_entries, unreadable
from datasets.text_files import read_json, read_lines
from whole_files import replacing, sweep

Picks = dict[str, list[Datum]]  # of train and val


def list_suffix(path: str) -> str:
    """What tells the picks of one list from those of others in its folder: its name and content.

    Args:
        path: of the list that a data set is read from.
    """
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return f"-{Path(path).stem}-{digest[:8]}"


def _read_json(path: str) -> dict[str, list[Entry]]:
    try:
        data = read_json(path)
        return {name: [as_entry(tuple(i)) for i in data[name]] for name in kept_parts(data)}
    except (ValueError, LookupError, TypeError) as error:
        raise unreadable(path, error) from error


def _read_json_lines(path: str) -> dict[str, list[Entry]]:
    """Of train's file, and val's beside it."""
    paths = {"train": path, "val": path.removesuffix(TRAIN_LINES) + VAL_LINES}
    entries = {}
    for part, name in paths.items():
        if part == "val" and not os.path.exists(name):
            continue
        try:
            items = [json.loads(line) for _, line in read_lines(name)]
            entries[part] = [as_entry(tuple(item[key] for key in LINE_KEYS)) for item in items]
        except (ValueError, LookupError, TypeError) as error:
            raise unreadable(name, error) from error
    kept_parts(entries)
    return entries


def write_json_lines(path: str) -> str:
    """Writes the picks of a `.json` as lines, in two files beside it; the path of train's."""
    stem, parts = path.removesuffix(".json"), _read_json(path)
    for part in reversed(parts):  # train's says that all are there
        lines = (dict(zip(LINE_KEYS, entry, strict=True)) for entry in parts[part])
        text = "".join(f"{json.dumps({**line, '_domain': 0})}\n" for line in lines)
        with replacing(stem + (TRAIN_LINES if part == "train" else VAL_LINES)) as partial:
            Path(partial).write_text(text, encoding="utf-8")
    return stem + TRAIN_LINES


TRAIN_LINES, VAL_LINES = "_train.jsonl", "_val.jsonl"
LINE_KEYS = ("_impath", "_label", "_classname")
# By the ending of the file that says that picks are there.
READERS = {".pkl": read_pickled_entries, ".json": _read_json, TRAIN_LINES: _read_json_lines}


@dataclass(frozen=True, kw_only=True)
class KeptPicks:
    """The picks from one split for one number of shots and one seed, and their files.

    Attributes:
        folder: the data set's folder, where `split_fewshot/` is.
        image_dir: the folder that the paths in the data set's split file start from.
        num_shots: training images a class.
        seed: of the draw.
        suffix: of the files' names, for picks from a list of its own.
    """

    folder: str
    image_dir: str
    num_shots: int
    seed: int
    suffix: str = ""

    @property
    def stem(self) -> str:
        """Path of the files without their ending."""
        return f"{self._plain}{self.suffix}"

    @property
    def _plain(self) -> str:
        name = f"shot_{self.num_shots}-seed_{self.seed}"
        return os.path.join(self.folder, "split_fewshot", name)

    def load(self, splits: Picks, shots: dict[str, int]) -> Picks | None:
        """The kept picks as items of the given splits, or None where no file exists.

        Args:
            splits: what they were drawn from; val comes back whole where none of it were kept.
            shots: images a class, by split.

        Raises:
            ValueError: a file is damaged, unsafe or not of this split, or two disagree.
        """
        sweep(os.path.dirname(self.stem))
        paths = {ending: f"{self.stem}{ending}" for ending in READERS}
        paths = {ending: path for ending, path in paths.items() if os.path.exists(path)}
        if not paths:
            if any(os.path.exists(f"{self._plain}{ending}") for ending in READERS):
                print(
                    f"Note: the picks in {self._plain}.* are not read, they were drawn from other "
                    "images"
                )
            return None
        (first, one), *others = paths.items()
        print(f"Loading preprocessed few-shot data from {one}")
        found = self._read(first, one, splits, shots)
        for ending, path in others:
            if self._read(ending, path, splits, shots) != found:
                raise ValueError(
                    f"{one} and {path} hold different few-shot picks. "
                    "Delete the one that you do not trust."
                )
        return found

    def _read(self, ending: str, path: str, splits: Picks, shots: dict[str, int]) -> Picks:
        picks = dict(splits)
        for part, entries in READERS[ending](path).items():
            picks[part] = self._find_items(entries, splits[part], path)
            _check_numbers(picks[part], splits[part], shots[part], f"{path}: {part}")
        return picks

    def _find_items(self, entries: list[Entry], items: list[Datum], path: str) -> list[Datum]:
        """Finds the split's items by their path, or by its longest tail that the split knows."""
        prefix = self.image_dir.rstrip(os.sep) + os.sep

        def key_of(impath: str) -> str:
            return impath.removeprefix(prefix).replace(os.sep, "/")

        known = {(key_of(item.impath), item.label, item.classname): item for item in items}
        found = []
        for impath, label, classname in entries:
            # A pickle may come from another system; here a backslash may be part of a name.
            spellings = (impath.split("/"), re.split(r"[\\/]", impath))
            here = os.path.normpath(os.path.join(self.folder, impath))
            tails = ["/".join(p[start:]) for p in spellings for start in range(len(p))]
            keys = ((name, label, classname) for name in (key_of(here), *tails))
            item = next((known[key] for key in keys if key in known), None)
            if item is None:
                raise ValueError(
                    f"{path} names {impath!r} (label {label}, class {classname!r}), which the "
                    f"split of the images in {self.image_dir} does not have: it was made from "
                    "another split or another data set. Delete it and new picks will be drawn "
                    "from the seed."
                )
            found.append(item)
        return found

    def save(self, picks: Picks) -> None:
        """Writes two files; says so where the folder is read-only.

        Raises:
            OSError: they cannot be written for another reason.
        """
        print(f"Saving preprocessed few-shot data to {self.stem}.pkl")
        try:
            mkdir_if_missing(os.path.dirname(self.stem))
            with replacing(f"{self.stem}.pkl") as path, open(path, "wb") as file:
                pickle.dump(picks, file, protocol=pickle.HIGHEST_PROTOCOL)
            lists = {part: as_lists(items, self.folder) for part, items in picks.items()}
            with replacing(f"{self.stem}.json") as path:
                write_json(lists, path)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            print(
                f"Few-shot picks are not kept, {self.folder} is read-only; the seed draws the same "
                "again"
            )


def _check_numbers(picks: list[Datum], items: list[Datum], shots: int, where: str) -> None:
    """Refuses picks that no draw gives: `shots` of each class, or all where there are fewer."""
    advice = "Delete the file and new picks will be drawn from the seed."
    found, there = (Counter(item.label for item in part) for part in (picks, items))
    names = {item.label: item.classname for item in items}
    for label in sorted(there):
        if found[label] != min(shots, there[label]):
            raise ValueError(
                f"{where} has {found[label]} images of class {names[label]!r} where "
                f"{min(shots, there[label])} are drawn from the {there[label]} of the split. "
                f"{advice}"
            )
    repeats = [path for path, count in Counter(i.impath for i in picks).items() if count > 1]
    if repeats and Counter(i.impath for i in picks) - Counter(i.impath for i in items):
        raise ValueError(f"{where} has {repeats[0]} more than once. {advice}")
