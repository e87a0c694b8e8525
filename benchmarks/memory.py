"""Peak memory of one training step, in a process of its own that has done nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.subjects import SIZES, Subject, make_files, make_trainer
from promptkit.frozen_features import unit

START = "spawn"  # nothing of this process is in the one that is measured


def peak_of_step(encoder: str, classes: int, **subject: str) -> int:
    """Bytes that a CoOp step needs above what its process held before (batch of 32).

    Args:
        encoder: fast or reference.
        classes: C.
        subject: fields of `Subject`, but for `root`.

    Raises:
        OSError: on the CPU, the system has no /proc/self/clear_refs (it is not Linux).
    """
    with multiprocessing.get_context(START).Pool(1) as pool:
        return pool.apply(_peak_of_step, (encoder, classes, subject))


def _peak_of_step(encoder: str, classes: int, fields: dict[str, str]) -> int:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        subject = Subject(root=Path(folder), **fields)
        make_files(subject.root, classes=classes, tests=1, size=SIZES[subject.model])
        trainer = make_trainer("CoOp", subject, batch_size=32, encoder=encoder)
    size = 32, trainer.clip_model.embed_dim
    features = unit(torch.randn(size, device=trainer.device)).to(trainer.clip_model.dtype)
    labels = (torch.arange(32) % classes).to(trainer.device)
    peak = _peak_on_gpu if subject.device == "cuda" else _peak_of_process

    def step() -> None:
        with trainer.precision.autocast():
            loss = trainer.loss(features, labels)["loss"]
        loss.backward()

    return peak(step)


def _peak_on_gpu(step: Callable[[], None]) -> int:
    step()  # libraries keep what they need once
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return torch.cuda.max_memory_allocated() - before


def _peak_of_process(step: Callable[[], None]) -> int:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free but kept would hide what the step takes
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _status("VmRSS")
    step()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(line for line in lines if line.startswith(f"{name}:")).split()[1]
    return int(kilobytes) * 1024
