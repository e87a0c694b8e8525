"""The same run once more: its recorded command in another folder, and what differs afterwards."""

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptkit.files import checksum
from promptkit.runs import manifest
from promptkit.runs.arguments import parse_args
from promptkit.runs.environment import PROJECT, environment
from run_files.dotted import flatten

# What the same code, inputs and threads must find again; seconds, memory and versions are no part.
FOUND = ("metrics", "per_class", "confused", "trained_parameters", "shot_list_sha256",
         "weights_sha256", "own_data", "trained_on")  # fmt: skip
KEPT = "logits_sha256"  # which older results do not have, nor those without TEST.KEEP_LOGITS
MOST_NAMED = 8
FLAG, KEY = "--output-dir", "OUTPUT_DIR"


def recorded(path: str) -> dict[str, Any]:
    """The result in a file, or in the folder of a run.

    Raises:
        ValueError: there is none, or it does not say its command.
    """
    file = Path(path, manifest.RESULT) if os.path.isdir(path) else Path(path)
    result = manifest.read_json(file)
    if result is None:
        raise ValueError(
            f"--repeat {path}: there is no result that can be read. Give the {manifest.RESULT} of "
            "a finished run."
        )
    inputs = result.get("inputs")
    argv = inputs.get("argv") if isinstance(inputs, dict) else None
    if not isinstance(argv, list) or not argv or not isinstance(inputs.get("files"), dict):
        raise ValueError(
            f"--repeat {path}: the result does not record its command (inputs.argv), as those of "
            "older versions. Start the run by hand, in another folder."
        )
    return result


def check_inputs(result: dict[str, Any]) -> list[str]:
    """Compares the files that a run read with those of now.

    Returns:
        Code, commit and versions that have changed, in words: they need not matter.

    Raises:
        ValueError: configs, weights or checkpoints have changed: it would be another run.
    """
    changed = [
        f"{path} ({'changed' if (PROJECT / path).is_file() else 'gone'})"
        for path, expected in sorted(result["inputs"]["files"].items())
        if checksum(PROJECT / path) != expected
    ]
    code = [text for text in changed if ".py (" in text]
    data = [text for text in changed if text not in code]
    if data:
        raise ValueError(
            f"--repeat: inputs are not those of the run any more: {', '.join(data)}. Bring them "
            "back, or start a run of its own with those of now."
        )
    now = environment()
    then = {"git": result.get("git", {}), "versions": result.get("versions", {})}
    old, new = flatten(then), flatten({key: now[key] for key in then})
    notes = [f"{text} since the run" for text in code]
    notes += [f"{key}: {old[key]} then, {new.get(key)} now" for key in sorted(old)
              if old[key] != new.get(key)]  # fmt: skip
    return notes


def with_folder(argv: list[str], folder: str) -> list[str]:
    """A command line with another output folder in the place of its own."""
    pairs = parse_args(argv).opts
    flags, kept = argv[: len(argv) - len(pairs)], []
    skip = False
    for word in flags:
        name, is_joined, _ = word.partition("=")
        is_own = len(name) > 2 and FLAG.startswith(name)  # argparse takes beginnings, too
        if not is_own and not skip:
            kept.append(word)
        skip = is_own and not is_joined
    for key, value in zip(pairs[::2], pairs[1::2], strict=False):
        if key != KEY:
            kept += [key, value]
    return [FLAG, folder, *kept]


def free_folder(folder: str) -> str:
    """A folder beside one, of a name that is not taken."""
    number, base = 1, os.path.normpath(folder)
    while os.path.exists(f"{base}-repeat{number}"):
        number += 1
    return f"{base}-repeat{number}"


def check_checkpoints(folder: str) -> None:
    """Reads what a repetition will be compared with, before it is carried out.

    Raises:
        ValueError: a checkpoint of the folder is damaged.
    """
    for path in _checkpoints(folder):
        _tensors(path)


def _checkpoints(folder: str) -> list[str]:
    return glob.glob(os.path.join(glob.escape(folder), "*", "model*.pth.tar*"))


def _tensors(path: str) -> Mapping[str, Any]:
    from dassl.utils import load_checkpoint

    content = load_checkpoint(path)
    state = content.get("state_dict") if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise ValueError(f"{path} is damaged or of other code: it has no state_dict.")
    return state


def differences(first: str, second: str) -> tuple[list[str], int]:
    """What differs between the results and the weights of two folders; empty if no bit does.

    Returns:
        The differences in words, and how many tensors were compared.
    """
    results = [
        manifest.read_json(Path(folder, manifest.RESULT)) or {} for folder in (first, second)
    ]
    keys = [*FOUND, *([KEPT] if all(result.get(KEPT) for result in results) else [])]
    old, new = (_leaves({key: result.get(key) for key in keys}) for result in results)
    devices = [result.get("device") for result in results]
    if devices[0] != devices[1]:
        print(f"Note: the device was {devices[0]} then and is {devices[1]} now: last bits differ")
    found = [
        f"{key}: {old.get(key)} then, {new.get(key)} now"
        for key in sorted(old | new)
        if old.get(key) != new.get(key)
    ]
    compared = 0
    names = {os.path.relpath(path, folder) for folder in (first, second)
             for path in _checkpoints(folder)}  # fmt: skip
    for name in sorted(names):
        here = [os.path.isfile(os.path.join(folder, name)) for folder in (first, second)]
        if not all(here):
            found.append(f"{name}: is only in {first if here[0] else second}")
            continue
        more, count = _weights(os.path.join(first, name), os.path.join(second, name), name)
        found += more
        compared += count
    return found, compared


def _leaves(value: Any, key: str = "") -> dict[str, Any]:
    """The plain values in nested dictionaries and lists, by their dotted place."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for name, inner in items for k, v in _leaves(inner, f"{key}.{name}").items()}
    return {key.removeprefix("."): value}


def _weights(first: str, second: str, name: str) -> tuple[list[str], int]:
    import torch

    old, new = _tensors(first), _tensors(second)
    found = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        tensors = isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
        if not tensors or a.shape != b.shape or a.dtype != b.dtype:
            found.append(f"{name}: {key} is of another kind or not in both")
        elif not torch.equal(_bytes(a), _bytes(b)):  # also tells 0 from -0
            apart = (a.double() - b.double()).abs()
            found.append(
                f"{name}: {key} differs in {int((a != b).sum()):,} of {a.numel():,} values, by at "
                f"most {apart.max().item():.3g}"
            )
    return found, len(old.keys() | new.keys())


def _bytes(tensor: Any) -> Any:
    import torch

    return tensor.reshape(-1).contiguous().view(torch.uint8)


def report(found: list[str], compared: int) -> str:
    """What the comparison says to a person."""
    if not found:
        return f"Equal to the last bit: the result, and {compared} tensors in the checkpoints."
    named = [f"  {line}" for line in found[:MOST_NAMED]]
    if len(found) > MOST_NAMED:
        named.append(f"  and {len(found) - MOST_NAMED} more")
    return "\n".join([f"Not equal, {len(found)} differences:", *named])
