"""What a recipe's constants were chosen on: it says so itself, and a strict run refuses some.

The keys of PROTOCOL, which every recipe sets and `result.json` holds with the rest of the config:

- CHOSEN_ON: the images by which constants were chosen; `unknown` where a paper does not say.
- PER_DATA_SET: whether they follow the data set that is tested on.
- STRICT: refuse what was chosen on test images, or follows the data set.
"""

from typing import Any

from yacs.config import CfgNode

CHOSEN_ON = ("unknown", "nothing", "few-shot validation", "validation", "test")


def keys() -> dict[str, Any]:
    """The node PROTOCOL where nothing is set."""
    return {"STRICT": False, "CHOSEN_ON": "unknown", "PER_DATA_SET": False}


def check_selection(cfg: CfgNode) -> None:
    """Raises ValueError on what is no declaration, or what a strict run refuses."""
    node = cfg.PROTOCOL
    if node.CHOSEN_ON not in CHOSEN_ON:
        raise ValueError(
            f"PROTOCOL.CHOSEN_ON must be one of {', '.join(CHOSEN_ON)}; got {node.CHOSEN_ON!r}."
        )
    if not node.STRICT:
        return
    if node.PER_DATA_SET:
        raise ValueError(
            f"PROTOCOL.STRICT refuses this recipe of {cfg.TRAINER.NAME}: its constants follow the "
            "data set (PROTOCOL.PER_DATA_SET True). Take a recipe with one setting for all, or "
            "leave STRICT out and the tables will say so."
        )
    if node.CHOSEN_ON == "test":
        raise ValueError(
            f"PROTOCOL.STRICT refuses this recipe of {cfg.TRAINER.NAME}: its constants were chosen "
            "on test images (PROTOCOL.CHOSEN_ON test). Choose them on validation images."
        )
