"""What the runs see: data sets whole, and their base classes as data sets of their own.

To choose without a test image, the base classes of a set are divided once more. Of each, 20
training images stay for training and 12 go, with the 8 for validation, to the tests; the first half
of these classes are base classes of the choice, the rest stand in for new ones.
"""

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path

from datasets.drawing import draw
from pocket import datasets as pocket_sets
from whole_files import replacing
from woven import datasets as woven_sets
from woven.class_lists import REAL_SETS, whole_list
from woven.codes import base_count

FOR_TRAINING = 20
STAGES = ("choose", "test")


@dataclass(frozen=True)
class Place:
    """A data set in one stage.

    Attributes:
        stage: "choose", on base classes alone, or "test".
        folder: of the data set below the root, also the name of its yaml.
        root: of the data sets.
        work: where lists of images are written.
    """

    stage: str
    folder: str
    root: Path
    work: Path

    @property
    def bench(self) -> str:
        """woven or pocket, also the name of the recipes."""
        return self.folder.partition("_")[0]

    @functools.cached_property
    def drawn(self):
        """Its images, which are drawn on first use."""
        sets = (*woven_sets.SETS.values(), *pocket_sets.SETS.values())
        return next(each for each in sets if each.folder == self.folder)

    def arguments(self, published: dict[str, str]) -> list[str]:
        """Flags and KEY VALUE pairs of train.py.

        Args:
            published: sentences of a method by benchmark, where its code has its own.
        """
        draw(self.drawn, self.root)
        if self.stage == "test":
            path = f"configs/datasets/{self.folder}.yaml"
            return ["--root", str(self.root), "--dataset-config-file", path]
        real = getattr(self.drawn, "real", "")
        sentence = published.get(real, self.drawn.template)
        return [
            "--root", str(self.root), "DATASET.NAME", "ImageFolder",
            "DATASET.FOLDER.PATH", f"{self.folder}/images", "DATASET.FOLDER.NAME",
            f"{self.drawn.name}BaseClasses", "DATASET.FOLDER.SPLIT", str(self._list()),
            "DATASET.TEMPLATE", sentence,
        ]  # fmt: skip

    def _list(self) -> Path:
        """The split file of the base classes; images of the test and of new classes are not in."""
        path = self.work / "lists" / f"{self.folder}.json"
        source = self.root / self.folder / self.drawn.split_file
        splits = json.loads(source.read_text())
        kept = base_count(len(self.drawn.classnames))
        found = {"train": [], "val": [], "test": []}
        for split in ("train", "val"):
            for entry in splits[split]:
                number = int(Path(entry[0]).stem.split("_")[-1])
                if entry[1] < kept:
                    is_train = split == "train" and number < FOR_TRAINING
                    found["train" if is_train else "test"].append(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(json.dumps(found))
        return Path(os.path.abspath(path))

    def vocabulary(self) -> str:
        """A file of names of the other benchmarks, none of them a name of this set, new or base."""
        path = self.work / "vocabulary" / f"{self.folder}.txt"
        real = getattr(self.drawn, "real", "")
        own = {name.casefold() for name in (*self.drawn.classnames, *_names(real))}
        others = dict.fromkeys(name for each in REAL_SETS if each != real for name in _names(each))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text("\n".join(n for n in others if n.casefold() not in own) + "\n")
        return os.path.abspath(path)


def _names(real: str) -> tuple[str, ...]:
    return whole_list(real) if real else ()
