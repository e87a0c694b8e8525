"""Opens the backbone that `MODEL.BACKBONE` names."""

from promptkit.backbones.backbone import Backbone
from promptkit.backbones.loading import AUTO, load_clip
from promptkit.backbones.openai_clip import OpenAIBackbone


def open_backbone(name: str, activation: str = AUTO) -> Backbone:
    """The frozen backbone, fp32 and on the CPU, see `load_clip`."""
    return OpenAIBackbone(load_clip(name, activation))
