"""How images are prepared follows what the backbone was trained on, unless it is set."""

from collections.abc import Mapping

from yacs.config import CfgNode

from promptkit.backbones.backbone import ImageInput
from promptkit.backbones.facts import image_input
from promptkit.backbones.loading import POCKET, local_weights

TOLERANCE = 1e-3  # of means and deviations that are written with fewer digits


def follow_weights(cfg: CfgNode, given: Mapping[str, str]) -> list[str]:
    """Sets what nobody set of INPUT; a sentence for each that is set and differs.

    The resolution has no sentence: a run with another one is refused when the weights are open.
    Weights files do not say how their images were prepared; what is not set is then OpenAI's way.

    Args:
        cfg: merged, not frozen.
        given: where each key was set, by dotted key.

    Raises:
        ValueError: the backbone's name is one of open_clip's, and not right.
    """
    name, node = cfg.MODEL.BACKBONE.NAME, cfg.INPUT
    images = image_input(name, node.SIZE[0] if "INPUT.SIZE" in given else None)
    if images is None:
        return []
    sentences = []
    for key, value in _values(images).items():
        dotted = f"INPUT.{key}"
        if dotted not in given:
            node[key] = value
        elif key in _told(name, node) and not _same(node[key], value):
            sentences.append(
                f"{dotted} is {node[key]} ({given[dotted]}); the weights of {name} were trained "
                f"with {value}"
            )
    return sentences


def _told(name: str, node: CfgNode) -> tuple[str, ...]:
    """The keys whose difference counts and is known."""
    if local_weights(name) and name != POCKET:
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
