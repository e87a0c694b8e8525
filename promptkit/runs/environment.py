"""Where a result comes from: the project's commit, versions of packages and the command.

Standard library only, as `train.py` asks for the project's folder before it imports torch.
"""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "torchvision", "dassl", "clip-anytorch", "open_clip_torch", "numpy", "pillow",
            "yacs")  # fmt: skip


def environment() -> dict[str, Any]:
    """Git state of the project and versions of what a result depends on."""
    return {
        "git": {"commit": _git("rev-parse", "HEAD"), "dirty": _is_changed()},
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
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


def version(package: str) -> str | None:
    """Of an installed package; None if it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
