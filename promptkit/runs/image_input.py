"""How images are prepared follows what the backbone was trained on, unless it is set."""

from collections.abc import Collection

from yacs.config import CfgNode

from promptkit.backbones.backbone import ImageInput
from promptkit.backbones.embedded import EMBEDDED
from promptkit.backbones.facts import image_input
from promptkit.backbones.loading import local_weights

TOLERANCE = 1e-3  # of means and deviations that are written with fewer digits


def follow_weights(cfg: CfgNode, given: Collection[str]) -> None:
    """Sets what nobody set of INPUT.

    Weights files do not say how their images were prepared; what is not set is then OpenAI's way.

    Args:
        cfg: merged, not frozen.
        given: the dotted keys that are set.

    Raises:
        ValueError: the backbone's name is one of open_clip's, and not right.
    """
    images = image_input(
        cfg.MODEL.BACKBONE.NAME, cfg.INPUT.SIZE[0] if "INPUT.SIZE" in given else None
    )
    for key, value in (_values(images) if images else {}).items():
        if f"INPUT.{key}" not in given:
            cfg.INPUT[key] = value


def differences(cfg: CfgNode) -> list[str]:
    """A sentence for each key of INPUT that is not as the backbone's weights expect.

    The resolution has none: a run with another one is refused when the weights are open.

    Raises:
        ValueError: see `follow_weights`.
    """
    name, node = cfg.MODEL.BACKBONE.NAME, cfg.INPUT
    images = image_input(name, node.SIZE[0])
    return [
        f"INPUT.{key} is {node[key]}; the weights of {name} were trained with {value}"
        for key, value in (_values(images) if images else {}).items()
        if key in _told(name, node) and not _same(node[key], value)
    ]


def _told(name: str, node: CfgNode) -> tuple[str, ...]:
    """The keys whose difference counts and is known."""
    if local_weights(name) and name not in EMBEDDED:
        return ()
    normalized = "normalize" in node.TRANSFORMS
    return ("INTERPOLATION", *(("PIXEL_MEAN", "PIXEL_STD") if normalized else ()))


def _values(images: ImageInput) -> dict[str, object]:
    return {
        "SIZE": (images.size, images.size),
        "PIXEL_MEAN": list(images.mean),
        "PIXEL_STD": list(images.std),
        "INTERPOLATION": images.interpolation,
    }


def _same(one: object, other: object) -> bool:
    if isinstance(one, str):
        return one == other
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(abs(a - b) < TOLERANCE for a, b in pairs)
