"""What a command left in its folder, so that two can be compared to the last bit."""

import json
from pathlib import Path
from typing import Any

import torch

from dassl.utils import load_checkpoint

# Of result.json: how long it took, whether at once, by what; not what came out.
INCIDENTAL = (
    "seconds", "step_sec", "resumed_from_epoch", "peak_memory_bytes", "git", "versions", "command",
)  # fmt: skip


def traces(place: Path) -> dict[str, Any]:
    """Content of each file below a folder, by its path; logs, which tell of kills, are left out."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_dir():
            found[name] = "folder"
        elif path.name.startswith(("log.txt", "events.out.")):
            continue
        elif path.suffix == ".json" and path.parent.name == "split_fewshot":
            continue  # the pickle beside it is enough
        else:
            found[name] = _content(path)
    return found


def _content(path: Path) -> Any:
    if ".pth.tar" in path.name:
        return load_checkpoint(str(path))
    if path.name == "result.json":
        result = json.loads(path.read_text())
        return {key: value for key, value in result.items() if key not in INCIDENTAL}
    return path.read_bytes()


def first_difference(one: Any, other: Any, where: str = "") -> str:
    """Where two traces differ, "" if nowhere: tensors by their bits, numbers by their type too."""
    if type(one) is not type(other):
        return f"{where}: {one!r:.80} against {other!r:.80}"
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return f"{where}: {sorted(map(str, one.keys() ^ other.keys()))} in one alone"
        pairs = [(f"{where}/{key}", one[key], other[key]) for key in one]
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            return f"{where}: {len(one)} against {len(other)} values"
        pairs = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(one, other, strict=True))]
    else:
        equal = torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
        return "" if equal else f"{where}: {one!r:.200} against {other!r:.200}"
    return next((text for name, a, b in pairs if (text := first_difference(a, b, name))), "")
