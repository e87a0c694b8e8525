"""Reading checkpoint files without running what a stranger put into them."""

import os
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import torch

from dassl.utils.file_kinds import what_it_is
from dassl.utils.plain_state import schedule_fields

TRUST_VARIABLE = "DASSL_TRUST_CHECKPOINTS"


class _StandIn:
    """Takes the place of a scheduler or optimizer object pickled inside an old checkpoint.

    Only its fields are wanted; with a stand-in no code of the real class runs.
    """


def _plain_defaultdict(*_: Any) -> dict:
    # torch's restricted reader cannot fill a real defaultdict.
    return {}


# Objects found in checkpoints of runs with a warm-up, by the name in the pickle: the inner
# scheduler, and through it the optimizer.
_STOOD_IN = (
    "torch.optim.lr_scheduler.CosineAnnealingLR",
    "torch.optim.lr_scheduler.MultiStepLR",
    "torch.optim.lr_scheduler.StepLR",
    "dassl.optim.lr_scheduler.ConstantWarmupScheduler",
    "dassl.optim.lr_scheduler.LinearWarmupScheduler",
    "dassl.optim.radam.RAdam",
    "torch.optim.adam.Adam",
    "torch.optim.adamw.AdamW",
    "torch.optim.radam.RAdam",
    "torch.optim.rmsprop.RMSprop",
    "torch.optim.sgd.SGD",
)
_ALLOWED: list[tuple[Callable, str]] = [
    *((_StandIn, name) for name in _STOOD_IN),
    (_plain_defaultdict, "collections.defaultdict"),
    (dict, "builtins.dict"),
]


def load_checkpoint(fpath: str, trust: bool = False) -> Any:
    """Read a checkpoint file onto the CPU.

    Files are read by torch's restricted reader, which builds tensors, numbers, strings and
    containers and runs no code from the file.

    Args:
        fpath: path of the file.
        trust: read the file with plain pickle, which runs whatever code it holds. The
            environment variable DASSL_TRUST_CHECKPOINTS=1 does the same.

    Returns:
        What was saved, usually a dict. Scheduler objects inside old checkpoints come back as
        dicts of their numbers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the path is None, the file is damaged or not a checkpoint, or it asks for
            an object that is not plain training state.
    """
    if fpath is None:
        raise ValueError("File path is None")
    if not os.path.isfile(fpath):
        raise FileNotFoundError(f'File is not found at "{fpath}"')
    trust = trust or os.environ.get(TRUST_VARIABLE, "") == "1"
    try:
        _check_sums(fpath)
        try:
            return _drop_stand_ins(_read(fpath, trust))
        except UnicodeDecodeError:
            # Written by Python 2.
            return _drop_stand_ins(_read(fpath, trust, encoding="latin1"))
    except PermissionError:
        print(f'Unable to load checkpoint from "{fpath}"')
        raise
    except Exception as error:
        # A damaged file makes the readers fail in many ways: RuntimeError, EOFError, OSError, ...
        print(f'Unable to load checkpoint from "{fpath}"')
        raise ValueError(_explain(fpath, error)) from error


class _Damaged(Exception):
    """A checksum is wrong; the text says of what."""


def _check_sums(fpath: str) -> None:
    """Compare the checksum of each part of the file, which torch stores and does not look at.

    Files of the time before torch wrote zip archives have none, nor do those it was told to.
    """
    with open(fpath, "rb") as file:
        try:
            if not zipfile.is_zipfile(file):
                return
            archive = zipfile.ZipFile(file)
            has_sums = any(part.CRC for part in archive.infolist())
            part = archive.testzip() if has_sums else None
        except Exception as error:  # whatever damaged names, sizes and places lead to
            raise _Damaged(f"its list of contents is wrong ({error})") from error
    if part is not None:
        raise _Damaged(f"the checksum of its part {part} is wrong")


def _read(fpath: str, trust: bool, **options: str) -> Any:
    if trust:
        return torch.load(fpath, map_location="cpu", weights_only=False, **options)
    with torch.serialization.safe_globals(_ALLOWED):
        return torch.load(fpath, map_location="cpu", weights_only=True, **options)


def _drop_stand_ins(value: Any) -> Any:
    if isinstance(value, _StandIn):
        return schedule_fields(value)
    if isinstance(value, Mapping):
        for key in value:
            value[key] = _drop_stand_ins(value[key])  # type: ignore[index]
    elif isinstance(value, list):
        value[:] = [_drop_stand_ins(item) for item in value]
    return value


def _explain(fpath: str, error: Exception) -> str:
    if isinstance(error, _Damaged):
        return (
            f'"{fpath}" is damaged: {error}. Copy it again from where it came from. If it is a '
            "file that this run saved, delete it and write the name of an earlier one into the "
            "file checkpoint beside it, or delete the folder to train from the beginning."
        )
    refused = re.search(r"GLOBAL (\S+)", str(error))
    not_plain = isinstance(error, pickle.UnpicklingError) and "Can only" in str(error)
    if refused or not_plain:
        what = f'the Python object "{refused[1]}"' if refused else "to build a Python object"
        return (
            f'Refused to load "{fpath}": it asks for {what}, which is not plain training state '
            "and could run any code. If you trust where the file comes from, call "
            f"load_checkpoint(path, trust=True) or set the environment variable {TRUST_VARIABLE}=1."
        )
    kind = what_it_is(fpath)
    if kind:
        return f'"{fpath}" is no checkpoint, it is {kind}.'
    # torch's own text is advice on its arguments; the cause comes after this word, or not at all.
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0]
    if not text or "weights_only" in text:
        text = getattr(error, "strerror", None) or type(error).__name__
    return (
        f'"{fpath}" cannot be read as a checkpoint ({text}). It is cut short, damaged or '
        "another kind of file: delete it, or copy it again from where it came from."
    )
