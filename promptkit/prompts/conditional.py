"""CoCoOp's prompts: a context that each image moves."""

from collections import OrderedDict

from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.encoders.text_encoder import Prompts
from promptkit.prompts.initial_context import all_words
from promptkit.prompts.sentences import SentenceSlots


class ConditionalPrompts(nn.Module):
    """A context and the net that moves it; keys of the state dict are the published ones."""

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, init: str
    ) -> None:
        super().__init__()
        start = all_words(model, num_context, init)
        self.ctx = nn.Parameter(start.vectors)
        width = model.embed_dim
        layers = {
            "linear1": nn.Linear(width, width // 16),
            "relu": nn.ReLU(),
            "linear2": nn.Linear(width // 16, start.vectors.shape[1]),
        }
        self.meta_net = nn.Sequential(OrderedDict(layers))
        self.slots = SentenceSlots(
            model, classnames, template=f"{start.words} {{}}.", num_slots=len(start.vectors)
        )

    def forward(self, image_features: Tensor) -> Prompts:
        """Image features [B, E] in unit norm to prompts with a prefix for each image."""
        bias = self.meta_net(image_features.float())  # [B, D]
        return self.slots(self.ctx + bias[:, None])
