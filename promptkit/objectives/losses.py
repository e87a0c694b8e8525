"""The loss that KgCoOp and TCP share."""

from torch import Tensor
from torch.nn import functional as F


def knowledge_guided(
    logits: Tensor, labels: Tensor, text_features: Tensor, hand_crafted: Tensor, weight: float
) -> dict[str, Tensor]:
    """CE + weight * mean_c (1 - <s_c, h_c>), arXiv:2303.13283, with its parts.

    Args:
        logits: [B, C].
        labels: [B].
        text_features, hand_crafted: s and h, [C, E] in unit norm.
        weight: of the distance.
    """
    ce = F.cross_entropy(logits, labels)
    distance = 1 - (text_features.float() * hand_crafted.float()).sum(dim=-1).mean()
    return {"loss": ce + weight * distance, "ce": ce, "distance": distance}
