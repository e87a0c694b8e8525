"""What is measured of a trained model: accuracy, calibration, and where its text features went."""

import torch
from torch import Tensor
from torch.nn import functional as F

from promptkit.objectives.mutual_information import infonce
from reports.tables.calibration_numbers import Calibration

TEMPERATURE = 0.07  # of the one critic by which all methods' estimates are compared


def of_answers(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy, calibration error and over-confidence of logits [N, C], in percent."""
    found = Calibration.of(logits.numpy(), labels.numpy())
    return {"accuracy": found.accuracy, "ece": found.ece, "over": found.bias}


def of_views(soft: Tensor, hand: Tensor) -> dict[str, float]:
    """How the soft view stands to the hand-crafted one, both [C, E] in unit norm.

    Returns:
        cosine: mean of <s_c, h_c>.
        centred: the same without the means over classes, of what tells classes apart.
        common: share of the squared way from h to s that all classes went together.
        nats: InfoNCE by the cosine critic with one temperature for all methods.
        at_most: its ceiling, log C.
    """
    soft, hand = soft.double(), hand.double()
    way = soft - hand
    moved = way.square().sum(-1).mean()
    centred = F.cosine_similarity(soft - soft.mean(0), hand - hand.mean(0), dim=-1)
    return {
        "cosine": (soft * hand).sum(-1).mean().item(),
        "centred": centred.mean().item(),
        "common": (way.mean(0).square().sum() / moved).item() if moved > 0 else 0.0,
        "nats": infonce(soft @ hand.T / TEMPERATURE).item(),
        "at_most": torch.tensor(float(len(soft))).log().item(),
    }


def of_critic(critic: torch.nn.Module, soft: Tensor, hand: Tensor) -> dict[str, float]:
    """What a learned bilinear critic has made of the views: cosine of P s_c and Q h_c."""
    with torch.no_grad():
        scores = critic(soft.float(), hand.float())
    seen = scores.diagonal().mean() * critic.temperature
    return {"seen": seen.item(), "own_nats": infonce(scores).item()}
