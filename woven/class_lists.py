"""Whose names the bench weaves: the class lists of CoOp's eleven data sets, whole and cut.

Seven lists are those of the official splits in datasets/splits, ImageNet's is CoOp's file, the
other three are in woven/class_lists.
"""

import functools
import gzip
import json
from pathlib import Path

from promptkit.backbones.tokens import readable
from promptkit.prompts.templates import CUSTOM_TEMPLATES

LISTS = Path(__file__).with_name("class_lists")
PUBLISHED = Path(__file__).parents[1] / "datasets" / "splits"
IN_TEXT_FILES = {
    "Food101": "food101.txt",
    "FGVCAircraft": "fgvc_aircraft.txt",
    "SUN397": "sun397.txt",
}
REAL_SETS = (
    "ImageNet",
    "Caltech101",
    "OxfordPets",
    "StanfordCars",
    "OxfordFlowers",
    "Food101",
    "FGVCAircraft",
    "SUN397",
    "DescribableTextures",
    "EuroSAT",
    "UCF101",
)
MOST_CLASSES = 32  # of a woven set; longer lists are cut evenly


@functools.cache
def whole_list(real_set: str) -> tuple[str, ...]:
    """All class names of a real data set, in the order of its labels, without underscores."""
    if real_set in IN_TEXT_FILES:
        names = (LISTS / IN_TEXT_FILES[real_set]).read_text().splitlines()
    elif real_set == "ImageNet":
        lines = (PUBLISHED / "imagenet_classnames.txt").read_text().splitlines()
        names = [line.split(maxsplit=1)[1] for line in lines]
    else:
        with gzip.open(PUBLISHED / f"split_zhou_{real_set}.json.gz", "rt") as file:
            entries = json.load(file)
        by_label = {
            label: name for part in ("train", "val", "test") for _, label, name in entries[part]
        }
        names = [by_label[label] for label in sorted(by_label)]
    return tuple(readable(name) for name in names)


def cut_list(real_set: str, most: int = MOST_CLASSES) -> tuple[str, ...]:
    """At most `most` names, evenly from the whole list: first and last, and as evenly between."""
    names = whole_list(real_set)
    if len(names) <= most:
        return names
    return tuple(names[round(i * (len(names) - 1) / (most - 1))] for i in range(most))


def sentence(real_set: str) -> str:
    """The hand-crafted sentence of a real data set (CoOp's)."""
    return CUSTOM_TEMPLATES[real_set]
