"""Says whether data sets are whole: `python -m datasets.check <root> [name ...] [--deep]`.

Prints a table of images and classes against what is expected, then what is missing. The exit code
is 1 if one of the named data sets (without names: of all) is not whole.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tabulate import tabulate
from tqdm import tqdm

from dassl.data.datasets import DATASET_REGISTRY
from datasets.entries import check_classes
from datasets.image_files import why_unreadable
from datasets.sources import SOURCES, Source, named
from datasets.split_file import SPLIT_NAMES, Entries, missing_images

FIRST = 3  # so many missing or unreadable files are named


@dataclass(frozen=True)
class Finding:
    """What is there of one data set.

    Attributes:
        state: found, incomplete or missing.
        classes: number of classes in it.
        images: of train, val and test that are there.
        remarks: what is wrong, for people.
    """

    name: str
    state: str
    classes: int = 0
    images: tuple[int, ...] = (0, 0, 0)
    remarks: tuple[str, ...] = field(default=())


def check(name: str, root: str, *, deep: bool = False) -> Finding:
    """Looks at the data set `name` (a key of SOURCES) below `root`, with `deep` into its images."""
    source = SOURCES[name]
    kind = DATASET_REGISTRY.get(source.registered)
    dataset = object.__new__(kind)  # its constructor would stop at the first thing that is missing
    dataset.locate(os.path.abspath(os.path.expanduser(root)))
    if not os.path.isdir(dataset.dataset_dir):
        return Finding(name, "missing", remarks=(f"no folder {dataset.dataset_dir}",))
    try:
        with _quiet():
            entries = dataset.entries()
            check_classes(entries, named_by=name)
    except (OSError, ValueError, KeyError) as error:
        return Finding(name, "incomplete", remarks=(str(error),))
    missing = missing_images(entries, dataset.image_dir)
    remarks = [_list_some("missing", missing, dataset.image_dir)] if missing else []
    present = _without(entries, set(missing))
    if deep:
        bad = _unreadable(present, dataset.image_dir, name)
        described = [f"{image} ({reason})" for image, reason in bad.items()]
        remarks += [_list_some("unreadable", described, dataset.image_dir)] if bad else []
        present = _without(present, set(bad))
    images = tuple(len(present[part]) for part in SPLIT_NAMES)
    classes = len({label for part in SPLIT_NAMES for _, label, _ in present[part]})
    if not remarks:
        remarks = _differences(source, classes, images)
    if dataset.split_file and not dataset.existing_split():
        remarks.append(f"the published split {dataset.split_path} is missing")
    state = "incomplete" if remarks else "found"
    return Finding(name, state, classes, images, tuple(remarks))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _without(entries: Entries, absent: set[str]) -> Entries:
    return {
        part: [entry for entry in entries[part] if entry[0] not in absent] for part in SPLIT_NAMES
    }


def _unreadable(entries: Entries, image_dir: str, name: str) -> dict[str, str]:
    images = [entry[0] for part in SPLIT_NAMES for entry in entries[part]]
    with ThreadPoolExecutor() as pool:
        reasons = pool.map(lambda image: why_unreadable(os.path.join(image_dir, image)), images)
        progress = tqdm(zip(images, reasons, strict=True), total=len(images), desc=name)
        return {image: reason for image, reason in progress if reason}


def _differences(source: Source, classes: int, images: tuple[int, ...]) -> list[str]:
    parts = ("classes", *(f"images of {part}" for part in SPLIT_NAMES))
    wanted = (source.classes, *source.images)
    return [
        f"{found:,} {part} where {expected:,} are expected"
        for part, expected, found in zip(parts, wanted, (classes, *images), strict=True)
        if found != expected
    ]


def _list_some(what: str, files: list[str], folder: str) -> str:
    more = f" and {len(files) - FIRST:,} more" if len(files) > FIRST else ""
    return f"{len(files):,} {what} in {folder}: {', '.join(files[:FIRST])}{more}"


def table(findings: list[Finding]) -> str:
    """One line a data set: found against expected, and where it comes from."""
    lines = []
    for finding in findings:
        source = SOURCES[finding.name]
        pairs = zip(finding.images, source.images, strict=True)
        counts = [_count(finding.classes, source.classes), *(_count(*pair) for pair in pairs)]
        lines.append([finding.name, finding.state, *counts, source.page])
    headers = ("data set", "state", "classes", "train", "val", "test", "from")
    alignment = ("left", "left", "right", "right", "right", "right", "left")
    return tabulate(lines, headers=headers, colalign=alignment, disable_numparse=True)


def _count(found: int, expected: int) -> str:
    return f"{found:,}" if found == expected else f"{found:,} of {expected:,}"


def main(arguments: list[str] | None = None) -> int:
    """Checks the data sets of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m datasets.check", description=__doc__)
    parser.add_argument("root", help="DATASET.ROOT, the folder that holds the data sets")
    parser.add_argument("names", nargs="*", metavar="name", help="data sets (default: all)")
    parser.add_argument("--deep", action="store_true", help="also decode every image")
    options = parser.parse_args(arguments)
    try:
        names = named(options.names)
    except ValueError as error:
        parser.error(str(error))
    findings = [check(name, options.root, deep=options.deep) for name in names]
    print(table(findings))
    for finding in findings:
        for remark in finding.remarks:
            print(f"\n{finding.name}: {remark}")
    return int(any(finding.state != "found" for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
