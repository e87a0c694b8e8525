"""What a run folder says of itself: `run.json` at the start, `result.json` at the end.

Standard library only, so that `train.py` can recognise a finished run without importing torch.
`run.json` holds the plan (merged config, what is evaluated); `result.json` holds the plan, the
metrics and where they come from. Both are written atomically: a file that is there is whole.
"""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from promptkit.files import replacing

SCHEMA = 1
RUN, RESULT = "run.json", "result.json"
PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "torchvision", "dassl", "clip-anytorch", "open_clip_torch", "numpy", "pillow",
            "yacs")  # fmt: skip


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Writes a json file that is either whole or absent; makes its folder.

    Raises:
        OSError: the folder cannot be made or written.
    """
    with replacing(path) as partial, open(partial, "w") as file:
        json.dump(content, file, indent=1, allow_nan=False)
        file.write("\n")


def read_json(path: str | Path) -> dict[str, Any] | None:
    """The object in a json file; None where the file is absent or not whole."""
    try:
        content = json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def trainer_of(directory: str) -> str | None:
    """Name of the trainer whose run a folder holds; None where it does not say."""
    run = read_json(Path(directory, RUN)) or {}
    return run.get("config", {}).get("TRAINER", {}).get("NAME")


def environment() -> dict[str, Any]:
    """Git state of the project and versions of what a result depends on."""
    return {
        "git": {"commit": _git("rev-parse", "HEAD"), "dirty": _is_changed()},
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in PACKAGES},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def _is_changed() -> bool:
    """Whether the code that runs is another than the commit's.

    Untracked files count if they are modules of this process: lists, results and yamls of a user's
    own data sets are no code, and what they decide is in the merged config.
    """
    if _git("status", "--porcelain", "--untracked-files=no"):
        return True
    untracked = _git("ls-files", "--others", "--exclude-standard", "-z", "--", "*.py") or ""
    files = {str(PROJECT / name) for name in untracked.split("\0") if name}
    loaded = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return any({os.path.abspath(x), os.path.realpath(x)} & files for x in loaded if x)


def _git(*arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(PROJECT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
