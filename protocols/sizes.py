"""How many classes and images a data set has, without its images: where that is known."""

import json
import runpy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from protocols.places import PROJECT


@dataclass(frozen=True)
class Size:
    """Of a data set: classes, and images of its test."""

    classes: int
    tests: int

    def of(self, subset: str) -> "Size":
        """Of its base or new classes: half of them, base has the middle one."""
        if subset == "all":
            return self
        half = (self.classes + 1) // 2
        classes = half if subset == "base" else self.classes - half
        return Size(classes, round(self.tests * classes / self.classes))


@cache
def size_of(dataset: str, root: str) -> Size | None:
    """A benchmark's published size, or that of the list of what was drawn; None without either."""
    sources = runpy.run_path(str(PROJECT / "datasets/sources.py"), run_name="sources")["SOURCES"]
    if dataset in sources:
        return Size(sources[dataset].classes, sources[dataset].images[2])
    for path in sorted(Path(root).expanduser().joinpath(dataset).glob("split_*.json")):
        try:
            tests = json.loads(path.read_text())["test"]
            return Size(len({label for _, label, _ in tests}), len(tests))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None
