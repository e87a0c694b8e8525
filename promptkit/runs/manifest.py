"""What a run folder says of itself: `run.json` at the start, `result.json` at the end.

Standard library only, so that `train.py` can recognise a finished run without importing torch.
`run.json` holds the plan (merged config, what is evaluated); `result.json` holds the plan, the
metrics and where they come from: `run_files` has their schemas. Both are written atomically: a file
that is there is whole.
"""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from promptkit.files import checksum, replacing
from run_files import RESULT, RUN, SCHEMA
from run_files.dotted import flatten

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "torchvision", "dassl", "clip-anytorch", "numpy", "pillow", "yacs")
# Settings that say where and how fast, not what: they may differ between two calls of one run.
INCIDENTAL = (
    "OUTPUT_DIR",
    "RESUME",
    "VERBOSE",
    "TRAIN.PRINT_FREQ",
    "DATALOADER.NUM_WORKERS",
    "FEATURES.STORE",
    "MODEL.BACKBONE.ACTIVATION",  # the plan says it apart where it is not OpenAI's
)


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


def inputs(argv: list[str], files: list[str]) -> dict[str, Any]:
    """The command line, and the checksums of `files` and of the sources that hold defaults.

    When one of them changes, `is_finished` no longer knows and leaves it to `check_plan`, which
    compares merged configs: a changed default counts, other changes of code deliberately do not.
    """
    sources = [PROJECT / "promptkit/config.py", PROJECT / "promptkit/runs/settings.py"]
    sources += [PROJECT / "engine/dassl/config/defaults.py", PROJECT / "train.py"]
    sources += sorted((PROJECT / "trainers").glob("*.py"))
    paths = [Path(file).resolve() for file in files if file] + sources
    return {"argv": argv, "files": {os.path.relpath(p, PROJECT): checksum(p) for p in paths}}


def is_finished(directory: str, argv: list[str]) -> bool:
    """Whether the folder's result is whole and came from this very command and these files.

    False does not mean that the result is another's: `check_plan` compares the merged configs.
    """
    result = read_json(Path(directory, RESULT))
    if result is None or result.get("schema") != SCHEMA:
        return False
    recorded = result.get("inputs", {})
    files = recorded.get("files", {})
    unchanged = all(checksum(PROJECT / path) == value for path, value in files.items())
    return bool(files) and unchanged and recorded.get("argv") == argv


def check_plan(
    directory: str, plan: dict[str, Any], defaults: dict[str, Any] | None = None
) -> bool:
    """Compares a plan with the one that the folder holds; whether it has been carried out.

    Args:
        directory: the output folder.
        plan: what is to be run.
        defaults: the config where nothing is set: keys that are younger than the folder's plan had
            these values then.

    Raises:
        ValueError: the folder holds a run with another plan; the message names the differences.
    """
    # Tuples are lists in json.
    plan, defaults = json.loads(json.dumps([plan, {"config": defaults or {}}]))
    previous = read_json(Path(directory, RUN))
    if previous is None:
        return False
    old, new = (flatten(value) for value in (previous, plan))
    old = {key: value for key, value in flatten(defaults).items() if key in new} | old
    keys = [key for key in sorted(old | new) if key.removeprefix("config.") not in INCIDENTAL]
    differences = [
        f"{key.removeprefix('config.')}: {old.get(key, 'absent')!r} there, "
        f"{new.get(key, 'absent')!r} now"
        for key in keys
        if old.get(key, "absent") != new.get(key, "absent")
    ]
    if differences:
        more = f" and {len(differences) - 4} more" if len(differences) > 4 else ""
        raise ValueError(
            f"The output folder {directory} holds a run with other settings "
            f"({'; '.join(differences[:4])}{more}). Choose another --output-dir, or delete that "
            "folder if the run in it is no longer wanted."
        )
    result = read_json(Path(directory, RESULT))
    return result is not None and result.get("schema") == SCHEMA


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
