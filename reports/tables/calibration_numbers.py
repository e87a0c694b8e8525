"""How far confidence may be believed: calibration errors and proper scores of logits.

Confidence is the largest softmax probability, over the classes of the test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15


@dataclass(frozen=True)
class Bins:
    """Images by their confidence.

    Attributes:
        count, accuracy, confidence: [B], of the bins that are not empty; the last two are means,
            0 to 1.
    """

    count: np.ndarray
    accuracy: np.ndarray
    confidence: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """[B], |accuracy - confidence|."""
        return np.abs(self.accuracy - self.confidence)


@dataclass(frozen=True)
class Calibration:
    """Of one test; the errors are in percent.

    Attributes:
        ece: expected calibration error over 15 bins of equal width (Guo et al., ICML 2017, eq. 3).
        adaptive: the same over 15 bins of as many images each (Nguyen and O'Connor, 2015).
        maximum: the largest gap of a bin of equal width (Guo et al., eq. 5).
        nll: mean negative log-likelihood of the right class, in nats.
        brier: mean squared distance of the probabilities to the right answer, 0 to 2 (Brier, 1950).
        bias: mean confidence minus accuracy: above 0 it is over-confident.
    """

    accuracy: float
    ece: float
    adaptive: float
    maximum: float
    nll: float
    brier: float
    bias: float

    @classmethod
    def of(cls, logits: np.ndarray, labels: np.ndarray) -> Calibration:
        """Of logits [N, C] and labels [N]."""
        return Answers.of(logits, labels).calibration()


@dataclass(frozen=True)
class Answers:
    """What a classifier says of each image.

    Attributes:
        confidence: [N], of the class that it takes.
        right: [N], whether that is the image's.
        nll: [N], minus the logarithm of the right class's probability.
        brier: [N], squared distance of the probabilities to the right answer.
    """

    confidence: np.ndarray
    right: np.ndarray
    nll: np.ndarray
    brier: np.ndarray

    @classmethod
    def of(cls, logits: np.ndarray, labels: np.ndarray) -> Answers:
        """Of logits [N, C] and labels [N]."""
        logs = log_softmax(logits)
        probabilities = np.exp(logs)
        own = probabilities[np.arange(len(labels)), labels]
        return cls(
            confidence=probabilities.max(axis=1),
            right=logits.argmax(axis=1) == labels,
            nll=-logs[np.arange(len(labels)), labels],
            brier=(probabilities**2).sum(axis=1) - own**2 + (1 - own) ** 2,
        )

    def calibration(self) -> Calibration:
        """All figures of them."""
        equal = equal_width(self.confidence, self.right)
        return Calibration(
            accuracy=100 * float(self.right.mean()),
            ece=100 * _expected(equal),
            adaptive=100 * _expected(equal_count(self.confidence, self.right)),
            maximum=100 * float(equal.gaps.max()),
            nll=float(self.nll.mean()),
            brier=float(self.brier.mean()),
            bias=100 * float(self.confidence.mean() - self.right.mean()),
        )


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logits [N, C] to the logarithms of their softmax, in double precision."""
    below = logits.astype(np.float64)
    below -= below.max(axis=1, keepdims=True)
    return below - np.log(np.exp(below).sum(axis=1, keepdims=True))


def equal_width(confidence: np.ndarray, right: np.ndarray) -> Bins:
    """Bins (0, 1/15], (1/15, 2/15], ...: confidence [N] in 0 to 1, right [N] true or false."""
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return _bins(place, confidence, right)


def equal_count(confidence: np.ndarray, right: np.ndarray) -> Bins:
    """Bins of as many images each, or one more or less, in the order of confidence."""
    place = np.empty(len(confidence), int)
    place[confidence.argsort(kind="stable")] = np.arange(len(confidence)) * BINS // len(confidence)
    return _bins(place, confidence, right)


def _bins(place: np.ndarray, confidence: np.ndarray, right: np.ndarray) -> Bins:
    count = np.bincount(place, minlength=BINS)
    there = count > 0
    sums = (np.bincount(place, values, minlength=BINS)[there] for values in (right, confidence))
    accuracy, mean = (total / count[there] for total in sums)
    return Bins(count[there], accuracy, mean)


def _expected(bins: Bins) -> float:
    return float((bins.count * bins.gaps).sum() / bins.count.sum())
