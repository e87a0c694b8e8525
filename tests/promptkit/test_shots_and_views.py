"""What the shots decide: trust in a hand-crafted view, and which views are used."""

import math

import pytest
import torch
from torch.nn import functional as F

from promptkit.objectives.informative_views import cross_entropies, most_informative
from promptkit.objectives.trust import accuracy_of_means, trust


def by_hand(features, labels) -> float:
    """Each image against the means of what is left without it."""
    right = 0
    for i, (image, label) in enumerate(zip(features, labels, strict=True)):
        kept = torch.arange(len(labels)) != i
        scores = []
        for c in range(int(labels.max()) + 1):
            rows = features[kept & (labels == c)]
            scores.append(image @ F.normalize(rows.sum(0), dim=0) if len(rows) else -math.inf)
        right += int(torch.tensor(scores).argmax()) == int(label)
    return right / len(labels)


def test_accuracy_of_means_leaves_each_image_out_of_its_own():
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 6, generator=generator)
    labels = torch.arange(4).repeat(5)
    noise = torch.randn(20, 6, generator=generator)
    features = F.normalize(centres[labels] + 1.5 * noise, dim=-1)
    expected = by_hand(features.double(), labels)
    assert accuracy_of_means(features, labels) == pytest.approx(expected) and 0.2 < expected < 1


def test_a_class_of_one_image_counts_as_wrong():
    features = torch.eye(3)
    assert accuracy_of_means(features, torch.arange(3)) == 0


def test_trust_is_the_ratio_of_accuracies_and_at_most_one():
    images = torch.eye(4).repeat_interleave(2, 0)  # two of each of four classes, told apart
    labels = torch.arange(4).repeat_interleave(2)
    hand = torch.eye(4)
    assert trust(images, labels, hand) == 1
    assert trust(images, labels, hand[[1, 0, 2, 3]]) == 0.5  # two classes exchanged
    assert trust(images, labels, hand[[1, 2, 3, 0]]) == 0
    alone = torch.eye(4), torch.arange(4)  # one image a class: nothing to compare with
    assert trust(*alone, hand[[1, 2, 3, 0]]) == 1


def test_cross_entropies_are_those_of_each_views_classifier():
    generator = torch.Generator().manual_seed(1)
    images = F.normalize(torch.randn(7, 5, generator=generator), dim=-1)
    views = F.normalize(torch.randn(3, 4, 5, generator=generator), dim=-1)
    labels, scale = torch.randint(4, (7,), generator=generator), torch.tensor(20.0)
    expected = [F.cross_entropy(20 * images @ view.T, labels).item() for view in views]
    found = cross_entropies(images, labels, views, scale).tolist()
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("losses", "rows"),
    [
        ((1.0, 0.8, 0.9), [0]),  # none is 25 % better
        ((1.0, 0.75, 0.9), [1, 2]),  # just so
        ((1.0, 0.2, 0.1), [2, 1]),
        ((0.5, 0.6, 0.9), [0]),
    ],
)
def test_its_own_view_stays_unless_another_is_clearly_better(losses, rows):
    assert most_informative(torch.tensor(losses), own=0, count=2, margin=0.25) == rows


def test_without_a_margin_the_best_views_are_used():
    losses = torch.tensor([0.5, 0.4, 0.9])
    assert most_informative(losses, own=0, count=2, margin=0.0) == [1, 0]
