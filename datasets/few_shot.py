"""Few-shot picks and class subsets: what CoOp-style data sets draw from their full splits.

Picks are kept in `<data set folder>/split_fewshot/` in two files of the same content:

    shot_{K}-seed_{SEED}.pkl    CoOp's form, pickled Datum objects with absolute paths
    shot_{K}-seed_{SEED}.json   lists of [path relative to the data set's folder, label, class name]

Either is enough to read. A pickle can run any code, so only Datum is ever looked up in one; and a
pick is always an item of the split at hand, so a moved data folder or a foreign cache does no harm.
"""

from __future__ import annotations

import copy
import errno
import math
import os
import pickle
import random
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dassl.data.datasets import DatasetBase, Datum
from dassl.utils import mkdir_if_missing, read_json, write_json

SUBSETS = ("all", "base", "new")
MAX_VAL_SHOTS = 4
PICKLED_DATUM = ("dassl.data.datasets.base_dataset", "Datum")

Entry = tuple[str, int, str]  # path, label, class name


def make_datum(impath: str, label: int, classname: str) -> Datum:
    """The one place where these data sets make a Datum, of an image that a listing has shown.

    Datum's own constructor asks the file system for each image again, minutes for ImageNet's.
    """
    item = Datum.__new__(Datum)
    item._impath, item._label, item._domain, item._classname = impath, label, 0, classname
    return item


def few_shot(
    dataset: DatasetBase,
    train: list[Datum],
    val: list[Datum],
    *,
    num_shots: int,
    seed: int,
    folder: str,
    image_dir: str,
    suffix: str = "",
) -> tuple[list[Datum], list[Datum]]:
    """Picks `num_shots` training images a class, the same ones each time for the same seed.

    The picks depend on the split, `num_shots` and `seed` alone and equal those of Dassl 0.6.3 after
    `set_random_seed(seed)`; Python's random state is as before afterwards, whether the picks were
    drawn or read. With `seed` < 0 they are drawn from the current random state and not kept, since
    a later run without a seed must not get them again.

    Args:
        dataset: whose `generate_fewshot_dataset` draws.
        train: the full training split, all classes.
        val: the full validation split; min(num_shots, 4) images a class are picked from it.
        num_shots: images a class; below 1 the splits come back whole.
        seed: of the draw.
        folder: the data set's folder, where `split_fewshot/` is.
        image_dir: the folder that the paths in the data set's split file start from.
        suffix: of the names of the files, for picks from a part of the split.

    Raises:
        ValueError: a kept file is damaged, unsafe or not of this split, or the two disagree.
    """
    if num_shots < 1:
        return train, val
    if seed < 0:
        return sample_few_shot(dataset, train, val, num_shots=num_shots)
    stem = os.path.join(folder, "split_fewshot", f"shot_{num_shots}-seed_{seed}{suffix}")
    kept = _load(stem, train, val, image_dir=image_dir)
    if kept is not None:
        return kept
    state = random.getstate()
    random.seed(seed)
    train, val = sample_few_shot(dataset, train, val, num_shots=num_shots)
    random.setstate(state)
    try:
        _save(stem, train, val, folder=folder)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        print(f"Few-shot picks are not kept, {folder} is read-only; the seed draws the same again")
    return train, val


def sample_few_shot(
    dataset: DatasetBase, train: list[Datum], val: list[Datum], *, num_shots: int
) -> tuple[list[Datum], list[Datum]]:
    """Draws with the global `random`: all classes of `train` first, then min(K, 4) of `val`."""
    train = dataset.generate_fewshot_dataset(train, num_shots=num_shots)
    val = dataset.generate_fewshot_dataset(val, num_shots=min(num_shots, MAX_VAL_SHOTS))
    return train, val


def subsample_classes(*datasets: list[Datum], subsample: str = "all") -> list[list[Datum]]:
    """Keeps the first half of the classes (base), the second (new), or all of them.

    The classes are the labels of the first data set in their order, base takes the odd one, and the
    kept classes are numbered from 0.

    Raises:
        ValueError: `subsample` is none of all, base, new.
    """
    if subsample not in SUBSETS:
        raise ValueError(
            f"DATASET.SUBSAMPLE_CLASSES must be one of {', '.join(SUBSETS)}; got {subsample!r}."
        )
    if subsample == "all":
        return list(datasets)
    print(f"SUBSAMPLE {subsample.upper()} CLASSES!")
    labels = sorted({item.label for item in datasets[0]})
    middle = math.ceil(len(labels) / 2)
    kept = labels[:middle] if subsample == "base" else labels[middle:]
    number = {label: index for index, label in enumerate(kept)}
    return [
        [_relabelled(item, number[item.label]) for item in items if item.label in number]
        for items in datasets
    ]


def _relabelled(item: Datum, label: int) -> Datum:
    # A copy, not a new Datum, which would look for the image a second time.
    item = copy.copy(item)
    item._label, item._domain = label, 0
    return item


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """Gives a temporary path to write to, then renames: readers never see half a file."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def as_lists(items: Iterable[Datum], folder: str) -> list[list]:
    """Items as json keeps them: [path from `folder` with slashes, label, class name]."""
    return [
        [os.path.relpath(item.impath, folder).replace(os.sep, "/"), item.label, item.classname]
        for item in items
    ]


def _load(
    stem: str, train: list[Datum], val: list[Datum], *, image_dir: str
) -> tuple[list[Datum], list[Datum]] | None:
    """The kept picks as items of the given splits, or None where neither file exists."""
    readers = {f"{stem}.pkl": read_pickled_entries, f"{stem}.json": _read_json}
    paths = [path for path in readers if os.path.exists(path)]
    if not paths:
        return None
    print(f"Loading preprocessed few-shot data from {paths[0]}")
    found = []
    for path in paths:
        entries = readers[path](path)
        picks = {"train": train, "val": val}
        for name in entries:  # CoOp's ImageNet keeps no val: it is not picked from
            picks[name] = _find_items(entries[name], picks[name], path=path, image_dir=image_dir)
        found.append((picks["train"], picks["val"]))
    if found[0] != found[-1]:
        raise ValueError(
            f"{paths[0]} and {paths[1]} hold different few-shot picks. "
            "Delete the one that you do not trust."
        )
    return found[0]


def _save(stem: str, train: list[Datum], val: list[Datum], *, folder: str) -> None:
    print(f"Saving preprocessed few-shot data to {stem}.pkl")
    mkdir_if_missing(os.path.dirname(stem))
    with replacing(f"{stem}.pkl") as path, open(path, "wb") as file:
        pickle.dump({"train": train, "val": val}, file, protocol=pickle.HIGHEST_PROTOCOL)
    with replacing(f"{stem}.json") as path:
        write_json({"train": as_lists(train, folder), "val": as_lists(val, folder)}, path)


def _find_items(
    entries: list[Entry], items: list[Datum], *, path: str, image_dir: str
) -> list[Datum]:
    """Finds the split's items by the longest tail of each path that the split knows."""
    prefix = image_dir.rstrip(os.sep) + os.sep
    known = {
        (item.impath.removeprefix(prefix).replace(os.sep, "/"), item.label, item.classname): item
        for item in items
    }
    found = []
    for impath, label, classname in entries:
        parts = re.split(r"[\\/]", impath)  # a pickle may come from another system
        keys = (("/".join(parts[start:]), label, classname) for start in range(len(parts)))
        item = next((known[key] for key in keys if key in known), None)
        if item is None:
            raise ValueError(
                f"{path} names {impath!r} (label {label}, class {classname!r}), which the split of "
                f"the images in {image_dir} does not have: it was made from another split or "
                "another data set. Delete it and new picks will be drawn from the seed."
            )
        found.append(item)
    return found


class _PickledDatum:
    """Stands in for Datum while a pickle is read: it takes any state and does nothing."""


class _DatumUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        if (module, name) == PICKLED_DATUM:
            return _PickledDatum
        raise ValueError(
            f"it refers to {module}.{name}, and only {'.'.join(PICKLED_DATUM)} is allowed"
        )


def read_pickled_entries(path: str, parts: tuple[str, ...] | None = None) -> dict[str, list[Entry]]:
    """Lists of (path, label, class name) from CoOp's pickled lists of Datum, by name.

    Args:
        path: of the pickle.
        parts: names of the lists; None for those of a file of picks.

    Raises:
        ValueError: the file is damaged, or refers to anything but Datum.
    """
    with open(path, "rb") as file:
        try:
            data = _DatumUnpickler(file).load()
            return {
                name: [_entry((i._impath, i._label, i._classname)) for i in data[name]]
                for name in parts or _kept_parts(data)
            }
        except Exception as error:  # a damaged pickle can fail in any way
            raise _unreadable(path, error) from error


def _read_json(path: str) -> dict[str, list[Entry]]:
    try:
        data = read_json(path)
        return {name: [_entry(tuple(i)) for i in data[name]] for name in _kept_parts(data)}
    except (ValueError, LookupError, TypeError) as error:
        raise _unreadable(path, error) from error


def _kept_parts(data: dict) -> tuple[str, ...]:
    if not data["train"]:
        raise ValueError("it holds no training images")
    return ("train", "val") if "val" in data else ("train",)


def _entry(values: tuple) -> Entry:
    if [type(value) for value in values] != [str, int, str]:
        raise ValueError(f"expected path, label and class name; got {values!r}")
    return values


def _unreadable(path: str, error: Exception) -> ValueError:
    return ValueError(
        f"{path} is no list of images ({type(error).__name__}: {error}). "
        "Delete it, and the images will be listed or picked anew."
    )
