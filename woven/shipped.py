"""Weights that come with the project: where they are, whether whole, how they are written."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from clip.model import CLIP

from whole_files import replacing


@dataclass(frozen=True)
class ShippedWeights:
    """One such file.

    Attributes:
        path: of the file.
        sha256: what it must have.
        command: what makes it anew.
    """

    path: Path
    sha256: str
    command: str

    def checked_path(self) -> str:
        """Path of the file.

        Raises:
            FileNotFoundError: it is missing.
            ValueError: its checksum is another one.
        """
        package = self.path.parent.name
        if not self.path.is_file():
            raise FileNotFoundError(
                f"The {package} weights {self.path} are missing. Make them: {self.command}"
            )
        found = self.path.stat()
        received = _sha256(self.path, found.st_size, found.st_mtime_ns)
        if received != self.sha256:
            raise ValueError(
                f"The {package} weights {self.path} are not the ones this version was made with: "
                f"sha256 {received}, expected {self.sha256}. Restore the file (git checkout), or "
                f"make your own ({self.command}) and put the checksum it prints into "
                f"{package}/weights.py."
            )
        return str(self.path)


@functools.cache
def _sha256(path: Path, size: int, time_ns: int) -> str:
    """Of a file, once as long as it keeps its size and time."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_weights(model: CLIP, path: Path) -> str:
    """Writes fp16 tensors in OpenAI's state-dict format, atomically; returns the sha256."""
    state = {name: tensor.detach().half().cpu() for name, tensor in model.state_dict().items()}
    state["logit_scale"] = model.logit_scale.detach().float().cpu()
    with replacing(path) as partial:
        # torch writes the file's name into it; a buffer has none, so equal weights are equal files.
        with partial.open("wb") as file:
            torch.save(state, file)
    return hashlib.sha256(path.read_bytes()).hexdigest()
