"""Which of several hand-crafted views of the classes say most about a few labelled images.

For images Z, whose class c is uniform over C, I(Z; H) >= log C - CE(H): the cross-entropy of CLIP's
classifier with a view's features as classes bounds from below what the view says of the images
(Barber and Agakov, 2003). The view of least cross-entropy has the largest bound.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropies(features: Tensor, labels: Tensor, views: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy [K] in nats of each view's classifier on images.

    Args:
        features: of images [N, E] in unit norm.
        labels: [N].
        views: text features [K, C, E] in unit norm.
        scale: 1 / temperature.
    """
    logits = scale * torch.einsum("ne,kce->knc", features.float(), views.float())
    target = labels.expand(len(views), -1)
    return F.cross_entropy(logits.transpose(1, 2), target, reduction="none").mean(1)


def most_informative(losses: Tensor, *, own: int, count: int, margin: float) -> list[int]:
    """The views that are used: `own` alone, unless another fits the shots clearly better.

    Few shots choose by chance among many views that are alike, so the data set's own sentence is
    left only where the best has a cross-entropy of at most 1 - `margin` times its own.

    Args:
        losses: cross-entropies [K].
        own: row of the data set's own view.
        count: how many are used where another is better.
        margin: in [0, 1].

    Returns:
        Rows in ascending order of their cross-entropy.
    """
    if losses.min() > (1 - margin) * losses[own]:
        return [own]
    return losses.argsort(stable=True)[:count].tolist()
