"""TCP's prompts: tokens made from a class's hand-crafted features join inside the text encoder."""

from collections import OrderedDict

from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.backbones.installed_clip import QuickGELU
from promptkit.encoders.text_encoder import Injection, Prompts
from promptkit.prompts.initial_context import all_words
from promptkit.prompts.sentences import SentenceSlots

# Where the published sentences of h_c differ from CoOp's.
TEMPLATES = {
    "FGVCAircraft": "a photo of an aircraft {}.",
    "DescribableTextures": "a photo of a {}, a type of texture.",
    "Food101": "a photo of a {}, a type of food.",
}
# What follows the context in the learned prompt, words of a photo's sentence included.
ENDINGS = {
    "OxfordPets": "{}, a type of pet.",
    "OxfordFlowers": "{}, a type of flower.",
    "FGVCAircraft": "{}, a type of aircraft.",
    "DescribableTextures": "{} texture.",
    "StanfordCars": "{}, a type of car",
    "Food101": "{}, a type of food.",
    "UCF101": "person doing {}.",
}


class ClassAwarePrompts(nn.Module):
    """A context and the net that makes each class's tokens; published keys."""

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, init: str, ending: str,
        hand_crafted: Tensor, layer: int,
    ) -> None:  # fmt: skip
        super().__init__()
        start = all_words(model, num_context, init)
        self.ctx, self.layer = nn.Parameter(start.vectors), layer
        width = hand_crafted.shape[1]
        layers = {
            "linear1": nn.Linear(width, width // 4),
            "relu": QuickGELU(),
            "linear2": nn.Linear(width // 4, start.vectors.numel()),
        }
        self.meta_net = nn.Sequential(OrderedDict(layers))
        self.register_buffer("hand_crafted", hand_crafted.float(), persistent=False)
        self.slots = SentenceSlots(
            model, classnames, template=f"{start.words} {ending}", num_slots=len(start.vectors)
        )

    def forward(self) -> Prompts:
        """The prompts, with each class's tokens from `layer` on."""
        tokens = self.meta_net(self.hand_crafted).unflatten(1, self.ctx.shape)  # [C, M, D]
        return self.slots(self.ctx, injection=Injection(self.layer, tokens))
