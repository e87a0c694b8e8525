"""Whether a folder holds the run at hand: what has to agree for it to be the same.

A finished run is left as it is, an unfinished one gone on with, another one never overwritten.
First `is_finished` compares commands and files, without importing torch; where these differ,
`check_plan` compares what they amount to, the plans (`promptkit.runs.plan`). Whether a single
checkpoint may be continued is asked by the engine as well (dassl/engine/identity.py), for trainers
of any origin.
"""

import json
import os
from pathlib import Path
from typing import Any

from promptkit.files import checksum
from promptkit.runs import manifest
from promptkit.runs.environment import PROJECT
from run_files.dotted import flatten

# Settings that say where and how fast, not what: they may differ between two calls of one run.
INCIDENTAL = (
    "OUTPUT_DIR",
    "RESUME",
    "VERBOSE",
    "TRAIN.PRINT_FREQ",
    "DATALOADER.NUM_WORKERS",
    "FEATURES.STORE",
    "FEATURES.TRAIN_STORE",
    "TEST.KEEP_LOGITS",
    "PROTOCOL.STRICT",  # what is said of a recipe changes no result
    "PROTOCOL.CHOSEN_ON",
    "PROTOCOL.PER_DATA_SET",
    "MODEL.BACKBONE.ACTIVATION",  # the plan says it apart where it is not OpenAI's
)

PLAN = (
    "config", "init_weights_sha256", "descriptions_sha256", "vocabulary_sha256", "backbone_sha256",
    "activation", "eval_only", "checkpoint",
)  # fmt: skip


def inputs(argv: list[str], files: list[str]) -> dict[str, Any]:
    """The command line, and the checksums of `files` and of the sources that hold defaults.

    When one of them changes, `is_finished` no longer knows and leaves it to `check_plan`, which
    compares merged configs: a changed default counts, other changes of code deliberately do not.
    """
    sources = [
        PROJECT / "promptkit/config.py",
        PROJECT / "promptkit/runs/merged_config.py",
    ]
    sources += [PROJECT / "engine/dassl/config/defaults.py", PROJECT / "train.py"]
    sources += sorted((PROJECT / "trainers").glob("*.py"))
    paths = [Path(file).resolve() for file in files if file] + sources
    return {
        "argv": argv,
        "files": {os.path.relpath(p, PROJECT): checksum(p) for p in paths},
    }


def is_finished(directory: str, argv: list[str]) -> bool:
    """Whether the folder's result is whole and came from this very command and these files.

    False does not mean that the result is another's: `check_plan` compares the merged configs.

    Raises:
        ValueError: the folder has a result that is not of its schema.
    """
    result = manifest.read_result(directory)
    if result is None:
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
        ValueError: the folder holds a run with another plan; the message names the differences. Or
            its result is not of its schema, or what is there does not say its plan.
    """
    # Tuples are lists in json.
    plan, defaults = json.loads(json.dumps([plan, {"config": defaults or {}}]))
    previous = _previous_plan(Path(directory))
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
    return manifest.read_result(directory) is not None


def _previous_plan(folder: Path) -> dict[str, Any] | None:
    """What `run.json` says, or else the result; None where the folder holds no run.

    Raises:
        ValueError: it holds one that does not say its settings.
    """
    path, result = folder / manifest.RUN, manifest.read_result(folder)
    plan = manifest.read_json(path)
    if plan is not None and isinstance(plan.get("config"), dict):
        return plan
    if plan is not None or path.exists():
        raise ValueError(
            f"{path} is damaged: it does not say which settings the run in its folder has. Choose "
            "another --output-dir, or delete that folder."
        )
    if result is not None:
        return {key: result[key] for key in PLAN if key in result}
    if any(folder.glob("*/model*.pth.tar*")):
        raise ValueError(
            f"{folder} holds checkpoints and no {manifest.RUN}, so that nothing says which "
            "settings they are of. Choose another --output-dir; --resume and that folder go on "
            "from its checkpoints there."
        )
    return None
