"""Where the pictures of each set stand, as `calibrate` decided it: two files and their reading."""

import functools
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from whole_files import replacing
from woven.codes import Lengths
from woven.weights import SHA256

CENTRES = Path(__file__).with_name("centres.npz")
CALIBRATION = Path(__file__).with_name("calibration.json")
MEND = "Restore both files (git checkout woven), or make them: python -m woven.calibrate"


@dataclass(frozen=True)
class World:
    """What drawing needs of both files.

    Attributes:
        centres: by set, t_c + a A + b B_c of its classes [C, E].
        lengths: by set.
        sha256: of centres.npz; drawn folders say by it which world they are of.
    """

    centres: dict[str, Tensor]
    lengths: dict[str, Lengths]
    sha256: str


@functools.cache
def world() -> World:
    """The shipped one.

    Raises:
        ValueError: a file is missing, damaged, or not made with the other one and these weights.
    """
    try:
        content = CENTRES.read_bytes()
        with np.load(CENTRES) as file:
            centres = {name: torch.from_numpy(file[name]).float() for name in file.files}
        record = json.loads(CALIBRATION.read_text())
        lengths = {name: Lengths(**value) for name, value in record["lengths"].items()}
        made_with = record["centres_sha256"], record["weights_sha256"]
    except Exception as error:  # numpy and zipfile have many
        raise ValueError(
            f"{CENTRES} or {CALIBRATION.name} cannot be read ({error}). {MEND}"
        ) from error
    sha256 = hashlib.sha256(content).hexdigest()
    if made_with != (sha256, SHA256):
        raise ValueError(
            f"{CALIBRATION} is of centres {made_with[0][:12]} and weights {made_with[1][:12]}; "
            f"here are centres {sha256[:12]} and weights {SHA256[:12]}. {MEND}"
        )
    return World(centres, lengths, sha256)


def save_world(
    folder: Path, centres: dict[str, Tensor], lengths: dict[str, Lengths], **record
) -> None:
    """Writes both files into a folder; centres in half precision.

    Args:
        record: what else calibration.json holds.
    """
    with replacing(folder / CENTRES.name) as partial, partial.open("wb") as file:
        np.savez(file, **{name: value.half().numpy() for name, value in centres.items()})
    sha256 = hashlib.sha256((folder / CENTRES.name).read_bytes()).hexdigest()
    record |= {
        "lengths": {name: asdict(value) for name, value in lengths.items()},
        "centres_sha256": sha256,
        "weights_sha256": SHA256,
    }
    with replacing(folder / CALIBRATION.name) as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n")
