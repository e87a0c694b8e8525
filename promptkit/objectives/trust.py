"""How far a few labelled images agree with a hand-crafted view of their classes.

Where the sentence misreads a set, no weight of a term that holds prompts near it is harmless; the
shots show it before anything is trained.
"""

import torch
from torch import Tensor


def accuracy_of_means(features: Tensor, labels: Tensor) -> float:
    """Share of images that are nearest to the mean of their class, each left out of its own.

    What images alone can tell; a class of one image has no other and counts as wrong.

    Args:
        features: [N, E] in unit norm.
        labels: [N], every class from 0 to C - 1 among them.
    """
    features = features.double()
    one_hot = torch.nn.functional.one_hot(labels).double()  # [N, C]
    sums, counts = one_hot.T @ features, one_hot.sum(0)  # [C, E], [C]
    scores = features @ sums.T / sums.norm(dim=-1)
    own = sums[labels] - features  # [N, E]
    without = (features * own).sum(-1) / own.norm(dim=-1)
    without[counts[labels] == 1] = -torch.inf
    scores[torch.arange(len(labels)), labels] = without
    return (scores.argmax(1) == labels).double().mean().item()


def trust(features: Tensor, labels: Tensor, hand_crafted: Tensor) -> float:
    """min(1, accuracy of the hand-crafted view / accuracy of the class means), on the shots.

    The means stand for what a soft view can learn. Its own accuracy says nothing: at the start it
    is often the hand-crafted view, at the end it is near 1.

    Args:
        features: [N, E] in unit norm.
        labels: [N], every class from 0 to C - 1 among them.
        hand_crafted: [C, E] in unit norm.

    Returns:
        In [0, 1]; 1 where not even the means tell the classes apart.
    """
    right = (features @ hand_crafted.to(features).T).argmax(1) == labels
    reachable = accuracy_of_means(features, labels)
    return min(1.0, right.double().mean().item() / reachable) if reachable else 1.0
