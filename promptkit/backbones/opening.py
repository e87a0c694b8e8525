"""Opens the backbone that `MODEL.BACKBONE` names."""

from promptkit.backbones.activation import check_activation
from promptkit.backbones.backbone import AUTO, Backbone
from promptkit.backbones.loading import load_clip
from promptkit.backbones.open_clip_model import open_clip_backbone
from promptkit.backbones.open_clip_names import PREFIX
from promptkit.backbones.openai_clip import OpenAIBackbone


def open_backbone(name: str, activation: str = AUTO) -> Backbone:
    """The frozen backbone, fp32 and on the CPU.

    Args:
        name: `open_clip:<model>@<weights>`, or what `load_clip` takes.
        activation: see `load_clip`.

    Raises:
        ValueError: there is no such backbone, it cannot be had, or its activation is not known.
        FileNotFoundError: the embedded weights are missing.
    """
    if name.startswith(PREFIX):
        check_activation(activation)
        return open_clip_backbone(name, activation)
    return OpenAIBackbone(load_clip(name, activation))
