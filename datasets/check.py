"""Says whether data sets are whole: `python -m datasets.check <root> [name ...] [--deep]`.

Prints a table of images and classes against what is expected, then what is missing, shared by parts
or left out. A name is a benchmark's, or that of a yaml of your own (birds.yaml); without names a
root that holds none of the known data sets is taken as one folder of your own. The exit code is 1
if one of the named data sets (without names: of all) is not whole.
"""

from __future__ import annotations

import argparse
import os
import sys

from tabulate import tabulate

from dassl.data.datasets import DATASET_REGISTRY
from datasets.check_own import check_own, is_own_folder, keys_of, yaml_of
from datasets.drawn import DrawnDataset
from datasets.entries import SPLIT_NAMES, check_classes
from datasets.finding import Finding, look_at, quiet
from datasets.image_folder import ImageFolder
from datasets.sources import SOURCES, Source, fetch_command, named


def check(name: str, root: str, *, deep: bool = False) -> Finding:
    """Looks at the data set `name` (a key of SOURCES) below `root`, with `deep` into its images."""
    source = SOURCES[name]
    known = {"source": source.page, "expected": (source.classes, *source.images)}
    kind = DATASET_REGISTRY.get(source.registered)
    dataset = object.__new__(kind)  # its constructor would stop at the first thing that is missing
    dataset.locate(os.path.abspath(os.path.expanduser(root)))
    if not os.path.isdir(dataset.dataset_dir):
        remark = f"no folder {dataset.dataset_dir}. {dataset.how_to_get(root)}"
        return Finding(name, "missing", remarks=(remark,), **known)
    try:
        with quiet():
            entries = dataset.entries()
            check_classes(entries, named_by=name)
    except (OSError, ValueError, KeyError) as error:
        return Finding(name, "incomplete", remarks=(str(error),), **known)
    look = look_at(entries, dataset.image_dir, name, deep=deep)
    remarks = look.missing + look.unreadable or _differences(source, look.classes, look.images)
    if dataset.split_file and not dataset.existing_split():
        command = fetch_command([source.registered], root)
        remarks.append(f"the published split {dataset.split_path} is missing; get it: {command}")
    state, notes = "incomplete" if remarks else "found", tuple(look.notes)
    return Finding(name, state, look.classes, look.images, tuple(remarks), notes, **known)


def _differences(source: Source, classes: int, images: tuple[int, ...]) -> list[str]:
    parts = ("classes", *(f"images of {part}" for part in SPLIT_NAMES))
    wanted = (source.classes, *source.images)
    return [
        f"{found:,} {part} where {expected:,} are expected"
        for part, expected, found in zip(parts, wanted, (classes, *images), strict=True)
        if found != expected
    ]


def table(findings: list[Finding]) -> str:
    """One line a data set: found against expected, and where it comes from."""
    lines = []
    for finding in findings:
        found = (finding.classes, *finding.images)
        counts = [_count(*pair) for pair in zip(found, finding.expected or found, strict=True)]
        lines.append([finding.name, finding.state, *counts, finding.source])
    headers = ("data set", "state", "classes", "train", "val", "test", "from")
    alignment = ("left", "left", "right", "right", "right", "right", "left")
    return tabulate(lines, headers=headers, colalign=alignment, disable_numparse=True)


def _count(found: int, expected: int) -> str:
    return f"{found:,}" if found == expected else f"{found:,} of {expected:,}"


def _is_drawn(registered: str) -> bool:
    names = DATASET_REGISTRY.registered_names()
    return registered in names and issubclass(DATASET_REGISTRY.get(registered), DrawnDataset)


def check_word(word: str, root: str, *, deep: bool = False) -> Finding:
    """Looks at the data set that a word of the command line names.

    Raises:
        ValueError: there is no such data set.
    """
    path = yaml_of(word)
    registered, keys = keys_of(path) if path else (word, {})
    if registered == ImageFolder.__name__:
        return check_own(root, keys, deep=deep)
    if _is_drawn(registered):
        raise ValueError(
            f"{word} is drawn by the first run that needs it: there is nothing to get or to check."
        )
    try:
        (name,) = named([registered])
    except ValueError as error:
        raise ValueError(f"{error} Nor is it a yaml of ImageFolder, here or in configs.") from error
    return check(name, root, deep=deep)


def main(arguments: list[str] | None = None) -> int:
    """Checks the data sets of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m datasets.check", description=__doc__)
    parser.add_argument("root", help="DATASET.ROOT, the folder that holds the data sets; or yours")
    parser.add_argument("names", nargs="*", metavar="name", help="data sets, yamls (default: all)")
    parser.add_argument("--deep", action="store_true", help="also decode and compare every image")
    options = parser.parse_args(arguments)
    try:
        if not options.names and is_own_folder(options.root):
            print(f"{options.root} holds none of the known data sets: taken as one of your own.\n")
            findings = [check_own(options.root, deep=options.deep)]
        else:
            words = options.names or SOURCES
            findings = [check_word(word, options.root, deep=options.deep) for word in words]
    except ValueError as error:
        parser.error(str(error))
    print(table(findings))
    for finding in findings:
        for remark in finding.remarks + finding.notes:
            print(f"\n{finding.name}: {remark}")
    return int(any(finding.state != "found" for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
