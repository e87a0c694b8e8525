"""Numeric precision, decided once per run from `PREC` and the device."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from promptkit.backbones.backbone import Backbone

MODES = ("auto", "fp32", "fp16", "bf16", "amp")


@dataclass(frozen=True)
class Precision:
    """How a run computes. Learned tensors are fp32 in every mode, but copies of CLIP's own.

    Attributes:
        mode: the resolved mode, never "auto".
        device_type: "cuda" or "cpu".
    """

    mode: str
    device_type: str

    def cast(self, model: Backbone) -> Backbone:
        """CLIP's frozen weights: half in fp16, as in the published code; fp32 otherwise."""
        if self.mode == "fp16":
            model.halve()
        return model

    def autocast(self) -> AbstractContextManager:
        """The context of a forward pass."""
        dtype = {"bf16": torch.bfloat16, "amp": torch.float16}.get(self.mode)
        return torch.autocast(self.device_type, dtype) if dtype else nullcontext()

    def scaler(self) -> torch.amp.GradScaler | None:
        """Scales the loss of mode amp, whose gradients would underflow in half precision."""
        return torch.amp.GradScaler(self.device_type) if self.mode == "amp" else None


def resolve(mode: str, device_type: str, *, key: str = "PREC") -> Precision:
    """The precision of a mode on a device: auto is fp16 on CUDA, as in the papers, else fp32.

    Args:
        mode: one of `MODES`.
        device_type: "cuda" or "cpu".
        key: the config key that holds the mode, for the message.

    Raises:
        ValueError: fp16 or amp on a CPU.
    """
    if mode == "auto":
        mode = "fp16" if device_type == "cuda" else "fp32"
    if mode in ("fp16", "amp") and device_type == "cpu":
        raise ValueError(
            f"{key} {mode} needs a CUDA device; this run is on a CPU. Set it to auto, fp32 or bf16."
        )
    return Precision(mode, device_type)


def device_name(device: torch.device) -> str:
    """Of the GPU, which decides the last bits of what it computes; "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
