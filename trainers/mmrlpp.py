"""MMRL++: MMRL with maps that share one matrix, and tokens that keep some of what became of them.

    T_i = R (W_t + A_t,i B_t,i) + b_t,i, and V_i alike   W_r = P + A B
    before the layers behind the first: BETA T_i + (1 - BETA) (what the layer before has made of it)

Everything else is MMRL's, see trainers/mmrl.py: where tokens come in, the loss, and which logits
classify which classes. P is CLIP's own frozen projection; A_i [D, RES_LORA_DIM], A [W,
PROJ_LORA_DIM] start kaiming-uniform (a = sqrt 5), B_i and B at zero; W_t, W_v are learned, too.

Paper: MMRL++: Parameter-Efficient and Interaction-Aware Representation Learning for Vision-Language
Models, arXiv:2505.10088. Published code: yunncheng/MMRL at 27d8821, trainers/mmrlpp.py and
config.py. Differences: as MMRL's. Constants by data set (AS_PUBLISHED: BETA, REG_WEIGHT) are those
of base-to-new and few-shot. For targets of a training on ImageNet the published code has a BETA of
each target, chosen for weights that were trained with another; here such weights keep theirs.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.config import require_range
from promptkit.encoders.image_encoder import states_width
from promptkit.prompts.representation import RepresentationTokens
from promptkit.registry import register
from promptkit.representation_trainer import RepresentationConfig, RepresentationTrainer
from promptkit.runs.published_config import PublishedConfig

AS_PUBLISHED = {
    name: {"beta": beta, "reg_weight": weight}
    for name, beta, weight in (
        ("ImageNet", 0.9, 0.2),
        ("FGVCAircraft", 0.9, 2.0),
        ("UCF101", 0.9, 3.0),
        ("DescribableTextures", 0.9, 7.0),
        ("OxfordPets", 0.7, 0.01),
        ("StanfordCars", 0.7, 6.0),
        ("Caltech101", 0.6, 3.0),
        ("SUN397", 0.5, 3.0),
        ("OxfordFlowers", 0.4, 7.0),
        ("EuroSAT", 0.2, 0.01),
        ("Food101", 0.1, 1.0),
    )
}
PUBLISHED_KEYS = ("ALPHA", "BETA", "REG_WEIGHT", "N_REP_TOKENS", "REP_LAYERS", "REP_DIM",
                  "PROJ_LORA_DIM", "RES_LORA_DIM", "PREC")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MMRLppConfig(RepresentationConfig):
    """Options under TRAINER.MMRLPP."""

    beta: float = 0.9  # share of the new tokens in what replaces the old
    res_lora_dim: int = 4  # rank of what a layer's map adds to the shared one
    proj_lora_dim: int = 64  # rank of what the head adds to CLIP's projection

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("beta", self.beta, 0, 1)
        for name in ("res_lora_dim", "proj_lora_dim"):
            require_range(name, getattr(self, name), 1)


class Residual(nn.Module):
    """A [D_out, r] and B [r, D_in] of one layer, and its bias."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.A, self.B = _low_rank(*base.weight.shape, rank)
        self.bias = nn.Parameter(base.bias.detach().clone())


class SharedMaps(nn.Module):
    """One matrix and what each layer adds to it; published names."""

    def __init__(self, base: nn.Linear, *, count: int, rank: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(base.weight.detach().clone())
        self.srra = nn.ModuleList(Residual(base, rank) for _ in range(count))

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Tokens [K, D_in] mapped for each layer, [K, D_out]."""
        return tuple(
            nn.functional.linear(tokens, self.weight + own.A @ own.B, own.bias) for own in self.srra
        )


def _low_rank(rows: int, columns: int, rank: int) -> tuple[nn.Parameter, nn.Parameter]:
    """A [rows, r], kaiming-uniform, and B [r, columns], zero."""
    a = nn.init.kaiming_uniform_(torch.empty(rows, rank), a=math.sqrt(5))
    return nn.Parameter(a), nn.Parameter(torch.zeros(rank, columns))


class ComposedTokens(RepresentationTokens):
    """Shared maps and a head beside CLIP's projection."""

    of_the_image_encoder = ("A", "B")

    def __init__(
        self, model: Backbone, *, num_tokens: int, width: int, layers: range, share: float,
        rank: int, head_rank: int,
    ) -> None:  # fmt: skip
        super().__init__(num_tokens=num_tokens, width=width, layers=layers, share=share)
        to_images = nn.Linear(width, model.image_tokens.width)
        to_text = nn.Linear(width, model.text_width)
        self.srra_r2vproj = SharedMaps(to_images, count=len(layers), rank=rank)
        self.srra_r2tproj = SharedMaps(to_text, count=len(layers), rank=rank)
        self.A, self.B = _low_rank(states_width(model), model.embed_dim, head_rank)

    def in_images(self) -> tuple[Tensor, ...]:
        """As the base's."""
        return self.srra_r2vproj(self.compound_rep_tokens)

    def in_text(self) -> tuple[Tensor, ...]:
        """As the base's."""
        return self.srra_r2tproj(self.compound_rep_tokens)

    def head(self, model: Backbone) -> Tensor:
        """As the base's."""
        return model.visual.proj + self.A @ self.B


@register
class MMRLpp(RepresentationTrainer):
    """Parameter-efficient, interaction-aware representation learning."""

    Config = MMRLppConfig
    takes_the_place = AS_PUBLISHED
    published_config = PublishedConfig({f"TRAINER.MMRLpp.{key}": key for key in PUBLISHED_KEYS})

    def representation(self) -> ComposedTokens:
        """Tokens, maps and head."""
        options = self.options
        return ComposedTokens(
            self.clip_model, num_tokens=options.n_rep_tokens, width=options.rep_dim,
            layers=options.layers, share=options.beta, rank=options.res_lora_dim,
            head_rank=options.proj_lora_dim,
        )  # fmt: skip
