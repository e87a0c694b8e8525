"""The shipped weights: where they are, whether they are whole, how they are written."""

import functools
import hashlib
from pathlib import Path

import torch
from clip.model import CLIP

WEIGHTS = Path(__file__).with_name("pocket_clip.pt")
SHA256 = "d3227dc02c1b70adc44ce9ba2d6d8d636dfc8d92e3e4e534c784fcaae3bae9be"
COMMAND = "python -m pocket.pretrain"


def weights_path() -> str:
    """Path of the checked weights file.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: its checksum is not the one in this module.
    """
    if not WEIGHTS.is_file():
        raise FileNotFoundError(f"The pocket weights {WEIGHTS} are missing. Make them: {COMMAND}")
    found = WEIGHTS.stat()
    received = _sha256(WEIGHTS, found.st_size, found.st_mtime_ns)
    if received != SHA256:
        raise ValueError(
            f"The pocket weights {WEIGHTS} are not the ones this version was made with: sha256 "
            f"{received}, expected {SHA256}. Restore the file (git checkout), or make your own "
            f"({COMMAND}) and put the checksum it prints into pocket/weights.py."
        )
    return str(WEIGHTS)


@functools.cache
def _sha256(path: Path, size: int, time_ns: int) -> str:
    """Of a file, once as long as it keeps its size and time."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_weights(model: CLIP, path: Path) -> str:
    """Writes fp16 tensors in OpenAI's state-dict format, atomically; returns the sha256."""
    state = {name: tensor.detach().half().cpu() for name, tensor in model.state_dict().items()}
    state["logit_scale"] = state["logit_scale"].float()
    partial = path.with_suffix(".tmp")
    torch.save(state, partial)
    partial.replace(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
