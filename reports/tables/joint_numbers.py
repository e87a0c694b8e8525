"""Base-to-new without being told which half an image is of: all class names at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.tables.harmonic_mean import harmonic_mean
from run_files.logits import Logits


@dataclass(frozen=True)
class Joint:
    """Of one trained model, in percent.

    Attributes:
        base, new: accuracy on the images of each half, among the names of all classes.
        harmonic: their harmonic mean.
        told_base, told_new: accuracy of each half among its own classes, the usual ones.
        auroc: how well base images are told from new ones by the largest softmax probability over
            the base classes (MCM, arXiv:2211.13445, with temperature CLIP's): the probability that
            a base image's is larger than a new one's, ties by half.
        openworld: OpenworldAUC (arXiv:2505.05180), the mean over all pairs (b, n) of a base and a
            new image of

                [b right among base classes] [r(b) > r(n)] [n right among new classes]

            with r the largest probability of a base class in the softmax over all classes, as in
            the published code. One rule for every method, also for those that have one predictor
            for base and another for new classes.
    """

    base: float
    new: float
    harmonic: float
    told_base: float
    told_new: float
    auroc: float
    openworld: float

    @classmethod
    def of(cls, base: Logits, new: Logits) -> Joint:
        """Of the tests of base and of new classes.

        Raises:
            ValueError: a test has kept no logits of the other's classes.
        """
        for own, other in ((base, new), (new, base)):
            if own.other_classnames != other.classnames:
                raise ValueError("logits of the other half's classes are not kept")
        accuracies = [
            100 * float((logits.joint.argmax(axis=1) == logits.labels).mean())
            for logits in (base, new)
        ]
        right = [logits.predictions == logits.labels for logits in (base, new)]
        alone = _largest(base.own), _largest(new.others)
        among_all = (
            _largest(base.own, beside=base.others),
            _largest(new.others, beside=new.own),
        )
        return cls(
            *accuracies,
            harmonic_mean(*accuracies),
            *(100 * float(x.mean()) for x in right),
            100 * auroc(*alone),
            100 * openworld_auc(*among_all, *right),
        )


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The share of pairs in which the positive's score is larger; ties count half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).sum() / 2 / (len(positive) * len(negative)))


def openworld_auc(
    base: np.ndarray, new: np.ndarray, base_right: np.ndarray, new_right: np.ndarray
) -> float:
    """The share of all pairs whose base score is larger, and of which both images are right.

    Args:
        base, new: scores [B] and [N]: how much an image looks like one of the base classes.
        base_right, new_right: whether the class is right within its half, [B] and [N].
    """
    below = np.searchsorted(np.sort(new[new_right]), base[base_right], side="left")
    return float(below.sum() / (len(base) * len(new)))


def _largest(logits: np.ndarray, beside: np.ndarray | None = None) -> np.ndarray:
    """[N], the largest softmax probability of columns [N, C], in the softmax with those beside."""
    values = logits.astype(np.float64)
    every = values if beside is None else np.concatenate([values, beside], axis=1)
    top = every.max(axis=1, keepdims=True)
    return np.exp(values.max(axis=1) - top[:, 0]) / np.exp(every - top).sum(axis=1)
