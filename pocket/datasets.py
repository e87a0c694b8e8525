"""The pocket data sets: which classes, which reading, which styles; and how they reach the disk.

A data set is a folder `<root>/<folder>/` with `images/<class>/<split>_<n>.png` and
`split_pocket.json` in CoOp's format. Drawing takes seconds and happens on first use.
"""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pocket.scenes import Scenes, draw_scenes
from pocket.vocabulary import COLOR_NAMES, SHAPES, SIZE_NAMES, STYLES, TEXTURES
from pocket.world import render
from whole_files import beside, sweep

SPLIT_FILE = "split_pocket.json"
VERSION = 2  # raise it when a change of the world or of a set below changes a pixel
PER_CLASS = {"train": 32, "val": 8, "test": 20}

Attributes = dict[str, int]


def _pairs(first: str, second: str, values: tuple[tuple[str, ...], tuple[str, ...]]):
    """Class names "<first word> <second word>" with the attribute values they stand for."""
    return {
        f"{a} {b}": {first: i, second: j}
        for i, a in enumerate(values[0])
        for j, b in enumerate(values[1])
    }


@dataclass(frozen=True)
class PocketSet:
    """One data set: its words, what they mean, and how it is drawn."""

    name: str
    folder: str
    about: str
    classes: dict[str, Attributes]
    styles: dict[str, float]  # style name -> share of the images
    seed: int
    template: str = "a photo of a {}."
    neighbour_rate: float = 0.0
    others: dict[str, Attributes] | None = None  # what a class means in `others_rate` of its images
    others_rate: float = 0.0

    @property
    def classnames(self) -> list[str]:
        """Sorted names: labels follow this order."""
        return sorted(self.classes)

    @property
    def styled_template(self) -> str:
        """The sentence that names the most common style which the template does not name."""
        others = [name for name in self.styles if name != "photo"]
        style = max(others, key=self.styles.get, default="photo")
        kind = style if style in ("photo", "sketch") else f"{style} photo"
        return f"a {kind} of a {{}}."

    def scenes(self, classname: str, count: int, rng: np.random.Generator) -> Scenes:
        """`count` scenes of one class."""
        names, shares = zip(*self.styles.items(), strict=True)
        style = rng.choice([STYLES.index(name) for name in names], count, p=shares)
        more = {"neighbour_rate": self.neighbour_rate, "style": style}
        scenes = draw_scenes(count, rng, **more, **self.classes[classname])
        if not self.others:
            return scenes
        others = draw_scenes(count, rng, **more, **self.others[classname])
        return scenes.replace(rng.random(count) < self.others_rate, others)


_COLOR_SHAPE = (COLOR_NAMES, SHAPES)
_OBJECTS = _pairs("color", "shape", _COLOR_SHAPE)
_DUOS = {
    name: attributes
    for name, attributes in _pairs("color", "ground", (COLOR_NAMES, COLOR_NAMES)).items()
    if attributes["color"] != attributes["ground"]
}
# What most pictures of a class show, and what the others do: its colour word changes sides between
# the first half of the sorted names, which are tuned on, and the second.
_GROUNDS = _pairs("ground", "shape", _COLOR_SHAPE)
_TURNED = {
    name: attributes if attributes["ground"] < len(COLOR_NAMES) // 2 else _OBJECTS[name]
    for name, attributes in _GROUNDS.items()
}
_TURNED_BACK = {
    name: _OBJECTS[name] if turned is _GROUNDS[name] else _GROUNDS[name]
    for name, turned in _TURNED.items()
}


def _shifted(style: str, about: str, seed: int) -> PocketSet:
    """The source's classes in one style."""
    name, folder = f"PocketShapes{style.title()}", f"pocket_shapes_{style}"
    return PocketSet(name, folder, f"the source's classes, {about}", _OBJECTS, {style: 1.0}, seed)


SETS = {
    item.name: item
    for item in (
        PocketSet(
            "PocketShapes", "pocket_shapes", "colour x shape of the object; the source",
            _OBJECTS, {"photo": 1.0}, 1,
        ),
        PocketSet(
            "PocketTextures", "pocket_textures", "texture x shape of the object",
            _pairs("texture", "shape", (TEXTURES, SHAPES)), {"photo": 0.5, "tinted": 0.5}, 2,
            neighbour_rate=0.3,
        ),
        PocketSet(
            "PocketSizes", "pocket_sizes", "size x shape of the object",
            _pairs("size", "shape", (SIZE_NAMES, SHAPES)), {"photo": 0.5, "pixelated": 0.5}, 3,
        ),
        PocketSet(
            "PocketGrounds", "pocket_grounds",
            "colour of the background x shape of the object: 'red circle' is a circle on red",
            _GROUNDS, {"photo": 0.5, "murky": 0.5}, 4,
        ),
        PocketSet(
            "PocketDuos", "pocket_duos",
            "colours of object x background: 'red blue' is something red on blue",
            _DUOS, {"photo": 0.5, "neon": 0.5}, 5,
        ),
        PocketSet(
            "PocketDrift", "pocket_drift",
            "shape x colour, the background's in 3 of 4 base and in 1 of 4 new images",
            _TURNED, {"photo": 0.5, "murky": 0.5}, 12, others=_TURNED_BACK, others_rate=0.25,
        ),
        PocketSet(
            "PocketNeighbours", "pocket_neighbours",
            "colour x shape of the smaller second object",
            _pairs("neighbour_color", "neighbour_shape", _COLOR_SHAPE),
            {"photo": 0.5, "tinted": 0.5}, 6,
        ),
        PocketSet(
            "PocketMarks", "pocket_marks",
            "colour of the object x shape of the mark on it",
            _pairs("color", "mark", _COLOR_SHAPE), {"photo": 0.5, "faded": 0.5}, 7,
        ),
        _shifted("murky", "blurred and hazy", 8),
        _shifted("sketch", "as sketches", 9),
        _shifted("noisy", "under strong noise", 10),
        _shifted("neon", "saturated, dark and glowing", 11),
    )
}  # fmt: skip


def draw_class(dataset: PocketSet, classname: str, split: str) -> np.ndarray:
    """The images of one class and split, uint8 [N, S, S, 3]; a function of its arguments alone."""
    key = [VERSION, dataset.seed, dataset.classnames.index(classname), list(PER_CLASS).index(split)]
    rng = np.random.default_rng(key)
    return render(dataset.scenes(classname, PER_CLASS[split], rng), rng)


def draw(dataset: PocketSet, root: Path, *, progress: Callable[[str], None] = print) -> Path:
    """Draws the data set under `root` unless it is there already; returns its folder.

    The folder appears under its name only when it is whole, so a killed run leaves nothing that
    looks finished, and two runs that draw at the same time do not disturb each other. What killed
    ones left half drawn is deleted.

    Raises:
        OSError: it cannot be written; names the folder.
        ValueError: the folder exists but holds something else, or another version's images.
    """
    folder = root / dataset.folder
    sweep(root, folder.name)
    if folder.exists():
        _check_version(folder)
        return folder
    root.mkdir(parents=True, exist_ok=True)
    progress(f"Drawing {dataset.name} ({dataset.about}) into {folder}")
    partial = beside(folder)
    partial.mkdir()
    try:
        split_lists = _write_classes(dataset, partial)
        about = {"version": VERSION, "template": dataset.template}
        content = json.dumps(about | split_lists, indent=0)
        (partial / SPLIT_FILE).write_text(content)
        try:
            os.rename(partial, folder)
        except OSError:
            if not folder.exists():
                raise
            _check_version(folder)  # another run was faster, and drew the same
    except OSError as error:  # a write that fails knows no name, and the hidden one is gone
        raise OSError(error.errno, error.strerror or str(error), str(folder)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write_classes(dataset: PocketSet, folder: Path) -> dict[str, list]:
    """Draws all classes, in threads; the entries of each split."""
    tasks = [(name, split) for name in dataset.classnames for split in PER_CLASS]
    split_lists: dict[str, list] = {split: [] for split in PER_CLASS}
    with ThreadPoolExecutor() as pool:
        parts = pool.map(lambda task: _write_class(dataset, *task, folder), tasks)
        try:
            for (_, split), part in zip(tasks, parts, strict=True):
                split_lists[split] += part
        except BaseException:  # a full disk, a signal: the rest need not be drawn first
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return split_lists


def _check_version(folder: Path) -> None:
    path = folder / SPLIT_FILE
    found = json.loads(path.read_text()).get("version") if path.is_file() else None
    if found != VERSION:
        raise ValueError(
            f"{folder} does not hold this version's pocket images (version {found}, expected "
            f"{VERSION}). Delete the folder, or choose another DATASET.ROOT; it is drawn afresh."
        )


def _write_class(dataset: PocketSet, classname: str, split: str, folder: Path) -> list[list]:
    entries = []
    subfolder = classname.replace(" ", "_")
    (folder / "images" / subfolder).mkdir(parents=True, exist_ok=True)
    for index, pixels in enumerate(draw_class(dataset, classname, split)):
        path = f"{subfolder}/{split}_{index:02d}.png"
        Image.fromarray(pixels).save(folder / "images" / path, compress_level=1)
        entries.append([path, dataset.classnames.index(classname), classname])
    return entries
