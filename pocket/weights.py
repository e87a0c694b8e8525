"""The shipped weights of the drawn world."""

from pathlib import Path

from woven.shipped import ShippedWeights

WEIGHTS = Path(__file__).with_name("pocket_clip.pt")
SHA256 = "d3227dc02c1b70adc44ce9ba2d6d8d636dfc8d92e3e4e534c784fcaae3bae9be"
COMMAND = "python -m pocket.pretrain"


def weights_path() -> str:
    """Path of the checked weights file; raises what `ShippedWeights.checked_path` does."""
    return ShippedWeights(WEIGHTS, SHA256, COMMAND).checked_path()
