"""Writing checkpoint files so that a crash never leaves half of one."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from dassl.utils.state_dicts import strip_module

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
    os.makedirs(save_dir, exist_ok=True)
    state = dict(state)
    if remove_module_from_keys:
        state["state_dict"] = strip_module(state["state_dict"])
    path = os.path.join(save_dir, model_name or f"model.pth.tar-{state['epoch']}")
    try:
        _write_atomically(path, lambda file: _torch_save(state, file, path))
    except OSError:
        # An empty model folder would look like a run to resume.
        with contextlib.suppress(OSError):
            os.rmdir(save_dir)
        raise
    print(f"Checkpoint saved to {path}")

    pointer = f"{os.path.basename(path)}\n".encode()
    _write_atomically(os.path.join(save_dir, POINTER_NAME), lambda file: file.write(pointer))

    if is_best:
        best_path = os.path.join(save_dir, BEST_NAME)
        copy_atomically(path, best_path)
        print(f'Best checkpoint saved to "{best_path}"')


def copy_atomically(source: str, target: str) -> None:
    """Copy a file so that `target` is either as before or whole."""
    with open(source, "rb") as original:
        _write_atomically(target, lambda file: shutil.copyfileobj(original, file))


def _write_atomically(path: str, write: Callable[[BinaryIO], Any]) -> None:
    # In the same folder, so that the final rename stays on one file system; always the same name,
    # so that what a killed run left is overwritten by the next.
    partial = Path(f"{path}.tmp")
    try:
        with open(partial, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        # A failing write() does not know the name; the reader needs the final one.
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), path) from error
    finally:
        partial.unlink(missing_ok=True)


def _torch_save(state: Mapping[str, Any], file: BinaryIO, path: str) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:
        # torch's zip writer hides the system's error behind its own.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        if "PytorchStreamWriter" in str(error) or "inline_container" in str(error):
            raise OSError(errno.EIO, f"torch.save failed: {error}", path) from error
        raise
