"""Few-shot picks on disk, in `<data set folder>/split_fewshot/`, in two files of the same content:

    shot_{K}-seed_{SEED}.pkl    CoOp's form, pickled Datum objects with absolute paths
    shot_{K}-seed_{SEED}.json   lists of [path relative to the data set's folder, label, class name]

Either is enough to read. Pickles are read as harmless data, see `datasets.pickled_lists`; and a
pick is always an item of the split at hand, so a moved data folder or a foreign cache does no harm.
"""

from __future__ import annotations

import errno
import hashlib
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
from datasets.text_files import read_json
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


READERS = {".pkl": read_pickled_entries, ".json": _read_json}


@dataclass(frozen=True, kw_only=True)
class KeptPicks:
    """The picks from one split for one number of shots and one seed, and their two files.

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
        """The kept picks as items of the given splits, or None where neither file exists.

        Args:
            splits: what they were drawn from; val comes back whole where none of it were kept.
            shots: images a class, by split.

        Raises:
            ValueError: a file is damaged, unsafe or not of this split, or the two disagree.
        """
        sweep(os.path.dirname(self.stem))
        paths = [f"{self.stem}{ending}" for ending in READERS]
        paths = [path for path in paths if os.path.exists(path)]
        if not paths:
            if any(os.path.exists(f"{self._plain}{ending}") for ending in READERS):
                print(
                    f"Note: the picks in {self._plain}.* are not read, they were drawn from other "
                    "images"
                )
            return None
        print(f"Loading preprocessed few-shot data from {paths[0]}")
        found = [self._read(path, splits, shots) for path in paths]
        if found[0] != found[-1]:
            raise ValueError(
                f"{paths[0]} and {paths[1]} hold different few-shot picks. "
                "Delete the one that you do not trust."
            )
        return found[0]

    def _read(self, path: str, splits: Picks, shots: dict[str, int]) -> Picks:
        picks = dict(splits)
        for part, entries in READERS[os.path.splitext(path)[1]](path).items():
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
        """Writes both files; says so where the folder is read-only.

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
