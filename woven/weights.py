"""The shipped weights of the embedded default."""

from pathlib import Path

from woven.shipped import ShippedWeights

WEIGHTS = Path(__file__).with_name("woven_clip.pt")
SHA256 = "b80ebf03cbb6c4232b2eaae27c303bc89cad05e06afcb6d7484fe84d5f9aee9b"
COMMAND = "python -m woven.make"


def weights_path() -> str:
    """Path of the checked weights file; raises what `ShippedWeights.checked_path` does."""
    return ShippedWeights(WEIGHTS, SHA256, COMMAND).checked_path()
