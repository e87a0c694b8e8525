"""What a run folder says of itself: `run.json` at the start, `result.json` at the end.

Standard library only, so that `train.py` can recognise a finished run without importing torch.
`run.json` holds the plan (merged config, what is evaluated); `result.json` holds the plan, the
metrics and where they come from: `run_files` has their schemas. Both are written atomically: a file
that is there is whole.
"""

import json
from pathlib import Path
from typing import Any

from promptkit.files import refuse_pipes, replacing
from run_files import RESULT as RESULT  # part of what this file is asked for
from run_files import RUN as RUN
from run_files import SCHEMA as SCHEMA


def save_json(content: dict[str, Any], path: str | Path) -> None:
    """Writes a json file that is either whole or absent; makes its folder.

    Raises:
        OSError: the folder cannot be made or written.
    """
    with replacing(path) as partial, open(partial, "w") as file:
        json.dump(content, file, indent=1, allow_nan=False)
        file.write("\n")


def read_json(path: str | Path) -> dict[str, Any] | None:
    """The object in a json file; None where the file is absent, not whole or holds NaN.

    Raises:
        ValueError: it is a pipe, a device or a folder.
        OSError: it is there, and cannot be read.
    """
    refuse_pipes(path)
    try:
        content = json.loads(Path(path).read_text(), parse_constant=_refuse)
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _refuse(constant: str) -> None:
    """NaN and the infinities are not JSON, and nothing that is finished has one."""
    raise ValueError(f"{constant} is no number")


def read_result(directory: str | Path) -> dict[str, Any] | None:
    """The result that a folder holds; None where it is absent, not whole or of an older version.

    Raises:
        ValueError: it is of a newer version, or of this one and not of its schema.
    """
    path = Path(directory, RESULT)
    result = read_json(path)
    version = (result or {}).get("schema")
    if result is None or version is None or (type(version) is int and version < SCHEMA):
        return None
    if type(version) is int and version > SCHEMA:
        raise ValueError(
            f"{path} is of a newer version of this project: its schema is {version}, and {SCHEMA} "
            "is known here. Update, or choose another --output-dir."
        )
    fault = _fault(result)
    if fault:
        raise ValueError(
            f"{path} is no result of ours: {fault}. Delete it to carry out the run again, or "
            "choose another folder."
        )
    return result


def _fault(result: dict[str, Any]) -> str:
    """What is wrong with the fields that runs go by, "" for nothing; reports check them all."""
    inputs = result.get("inputs", {})
    files = inputs.get("files", {}) if isinstance(inputs, dict) else {}
    metrics = result.get("metrics")
    kinds = (
        ("schema", result["schema"], (int,), f"{SCHEMA}"),
        *((name, result.get(name), (str,), "text") for name in ("trainer", "dataset", "subset")),
        ("seed", result.get("seed"), (int,), "a whole number"),
        ("metrics", metrics, (dict,), "an object"),
        ("weights_sha256", result.get("weights_sha256", ""), (str, type(None)), "text or null"),
        ("inputs", inputs, (dict,), "an object"),
        ("inputs.files", files, (dict,), "an object"),
    )
    for name, value, allowed, words in kinds:
        if type(value) not in allowed:  # not isinstance: true is no 1
            return f"{name} must be {words}; got {value!r}"[:200]
    accuracy = metrics.get("accuracy")
    if type(accuracy) not in (int, float) or not 0 <= accuracy <= 100:
        return f"metrics.accuracy must be a percentage; got {accuracy!r}"
    return ""


def trainer_of(directory: str) -> str | None:
    """Name of the trainer whose run a folder holds; None where it does not say."""
    node: Any = read_json(Path(directory, RUN))
    for key in ("config", "TRAINER", "NAME"):
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, str) else None
