"""Writing checkpoint files so that a crash never leaves half of one, or of several."""

import errno
import os
import shutil
from collections.abc import Mapping
from functools import partial
from typing import Any, BinaryIO

import torch

from dassl.utils.state_dicts import strip_module
from dassl.utils.together import write_together

BEST_NAME = "model-best.pth.tar"
POINTER_NAME = "checkpoint"


def save_checkpoint(
    state: Mapping[str, Any],
    save_dir: str,
    is_best: bool = False,
    remove_module_from_keys: bool = True,
    model_name: str = "",
) -> None:
    """Write a checkpoint and point the folder's `checkpoint` file to it.

    Args:
        state: dictionary with at least `state_dict` and `epoch` (number of epochs done).
        save_dir: folder, made if missing.
        is_best: also keep a copy as `model-best.pth.tar`.
        remove_module_from_keys: drop the "module." that DataParallel puts before each key.
        model_name: file name; by default `model.pth.tar-<epoch>`.

    Raises:
        OSError: the disk is full or the folder cannot be written; what was there stays whole.
    """
    state = dict(state)
    if remove_module_from_keys:
        state["state_dict"] = strip_module(state["state_dict"])
    save_checkpoints({"": state}, save_dir, is_best=is_best, model_name=model_name)


def save_checkpoints(
    states: Mapping[str, Mapping[str, Any]],
    directory: str,
    is_best: bool = False,
    model_name: str = "",
) -> None:
    """Write the checkpoints of one epoch and point to them: all of them, or none after a kill.

    Args:
        states: of each model, by its folder in `directory`; see `save_checkpoint`.
        directory: run folder, made if missing.
        is_best: also keep copies as `model-best.pth.tar`.
        model_name: file name; by default `model.pth.tar-<epoch>`.

    Raises:
        OSError: the disk is full or the folder cannot be written; what was there stays whole.
    """
    files, pointers, lines = {}, {}, []
    for folder, state in states.items():
        name = model_name or f"model.pth.tar-{state['epoch']}"
        path = os.path.join(directory, folder, name)
        write = partial(_torch_save, state, path=path)
        files[os.path.join(folder, name)] = write
        lines.append(f"Checkpoint saved to {path}")
        pointers[os.path.join(folder, POINTER_NAME)] = partial(_write_line, os.path.basename(name))
        if is_best:
            files[os.path.join(folder, BEST_NAME)] = write
            best_path = os.path.join(directory, folder, BEST_NAME)
            lines.append(f'Best checkpoint saved to "{best_path}"')
    write_together(directory, files | pointers)
    for line in lines:
        print(line)


def copy_together(sources: Mapping[str, str], directory: str) -> None:
    """Copy files into a folder: all of them, or none after a kill.

    Args:
        sources: paths, by the path of the copy relative to `directory`.
        directory: of the copies.
    """
    write_together(directory, {name: partial(_copy, path) for name, path in sources.items()})


def _copy(path: str, file: BinaryIO) -> None:
    with open(path, "rb") as original:
        shutil.copyfileobj(original, file)


def _write_line(text: str, file: BinaryIO) -> None:
    file.write(f"{text}\n".encode())


def _torch_save(state: Mapping[str, Any], file: BinaryIO, *, path: str) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:
        # torch's zip writer hides the system's error behind its own.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        if "PytorchStreamWriter" in str(error) or "inline_container" in str(error):
            raise OSError(errno.EIO, f"torch.save failed: {error}", path) from error
        raise
