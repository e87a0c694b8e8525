"""Peak memory of one training step, in a process of its own that has done nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import multiprocessing
import tempfile
from pathlib import Path

import torch

from benchmarks.subjects import SIZES, make_files, make_trainer


def peak_of_step(encoder: str, model: str, classes: int) -> int:
    """Bytes that a CoOp step needs above what its process held before (batch 32, fp32).

    Args:
        encoder: fast or reference.
        model: a key of SIZES.
        classes: C.

    Raises:
        OSError: the system has no /proc/self/clear_refs (it is not Linux).
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_of_step, (encoder, model, classes))


def _peak_of_step(encoder: str, model: str, classes: int) -> int:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        root = Path(folder)
        make_files(root, classes=classes, tests=1, size=SIZES[model])
        trainer = make_trainer("CoOp", model, root, batch_size=32, encoder=encoder)
    features = torch.randn(32, trainer.clip_model.text_projection.shape[1])
    labels = torch.arange(32) % classes
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free but kept would hide what the step takes
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _status("VmRSS")
    trainer.loss(features / features.norm(dim=1, keepdim=True), labels)["loss"].backward()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(line for line in lines if line.startswith(f"{name}:")).split()[1]
    return int(kilobytes) * 1024
