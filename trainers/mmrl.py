"""MMRL: representation tokens that both encoders share come in at a middle layer.

    T_i = R W_t,i + b_t,i   V_i = R W_v,i + b_v,i   for the layers i of REP_LAYERS
    L = ALPHA CE + (1 - ALPHA) CE_r + REG_WEIGHT [(1 - mean cos(z, z_0)) + (1 - mean cos(t, h))]

R [K, D_r] is learned. T_i, V_i come in behind the start of text and behind the class token before
the first of the layers, and replace what became of them before the others. z is the class token's
feature, z_0 that of frozen CLIP; t, h those of the data set's sentence; CE is of z. CE_r is of the
representation feature z_r, the mean of the K image tokens behind the last norm times a learned
matrix. Classes of the training are classified by ALPHA L + (1 - ALPHA) L_r, others by L alone, all
at once by L alone, see promptkit/representation_trainer.py.

Paper: MMRL: Multi-Modal Representation Learning for Vision-Language Models, arXiv:2503.08497.
Published code: yunncheng/MMRL at 27d8821, trainers/mmrl.py and config.py. As there, maps start as
copies of one, and constants by data set (AS_PUBLISHED: REG_WEIGHT, REP_DIM) belong to base-to-new
and few-shot alone. Differences: one REG_WEIGHT for all data sets is the default, that of the
published file that these constants overwrite; logits are scaled by CLIP's own temperature, there by
100; precision is PREC's, there amp; AdamW decays by OPTIM.WEIGHT_DECAY.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.encoders.image_encoder import states_width
from promptkit.prompts.representation import RepresentationTokens
from promptkit.registry import register
from promptkit.representation_trainer import RepresentationConfig, RepresentationTrainer

AS_PUBLISHED = {
    "StanfordCars": {"reg_weight": 7.0},
    "FGVCAircraft": {"reg_weight": 6.0},
    "SUN397": {"reg_weight": 6.0},
    "DescribableTextures": {"reg_weight": 6.0},
    "Food101": {"reg_weight": 5.0},
    "OxfordFlowers": {"reg_weight": 4.0},
    "UCF101": {"reg_weight": 3.0},
    "ImageNet": {"reg_weight": 0.5},
    "Caltech101": {"reg_weight": 0.5},
    "OxfordPets": {"reg_weight": 0.2},
    "EuroSAT": {"reg_weight": 0.01, "rep_dim": 2048},
}


@dataclass(frozen=True, kw_only=True)
class MMRLConfig(RepresentationConfig):
    """Options under TRAINER.MMRL."""


class MappedTokens(RepresentationTokens):
    """A linear map for each layer and encoder; published names."""

    of_the_image_encoder = ("proj_rep",)

    def __init__(self, model: Backbone, *, num_tokens: int, width: int, layers: range) -> None:
        super().__init__(num_tokens=num_tokens, width=width, layers=layers)
        to_images = nn.Linear(width, model.image_tokens.width)
        to_text = nn.Linear(width, model.text_width)
        self.compound_rep_tokens_r2vproj, self.compound_rep_tokens_r2tproj = (
            nn.ModuleList(copy.deepcopy(one) for _ in layers) for one in (to_images, to_text)
        )
        states = states_width(model)
        self.proj_rep = nn.Parameter(states**-0.5 * torch.randn(states, model.embed_dim))

    def in_images(self) -> tuple[Tensor, ...]:
        """As the base's."""
        return tuple(one(self.compound_rep_tokens) for one in self.compound_rep_tokens_r2vproj)

    def in_text(self) -> tuple[Tensor, ...]:
        """As the base's."""
        return tuple(one(self.compound_rep_tokens) for one in self.compound_rep_tokens_r2tproj)

    def head(self, model: Backbone) -> Tensor:
        """As the base's."""
        return self.proj_rep


@register
class MMRL(RepresentationTrainer):
    """Multi-modal representation learning."""

    Config = MMRLConfig
    takes_the_place = AS_PUBLISHED

    def representation(self) -> MappedTokens:
        """Tokens, maps and head."""
        options = self.options
        return MappedTokens(
            self.clip_model, num_tokens=options.n_rep_tokens, width=options.rep_dim,
            layers=options.layers,
        )  # fmt: skip
