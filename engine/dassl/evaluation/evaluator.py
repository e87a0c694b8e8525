"""From logits and labels to the numbers of a test."""

import contextlib
import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from yacs.config import CfgNode

from dassl.evaluation.build import EVALUATOR_REGISTRY


class EvaluatorBase:
    """What a trainer asks of an evaluator: reset, process every batch, evaluate."""

    def __init__(self, cfg: CfgNode) -> None:
        self.cfg = cfg

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        """Take in model output `mo` and ground truth `gt` of one batch."""
        raise NotImplementedError

    def evaluate(self) -> "OrderedDict[str, float]":
        """Print and return the results; the first one is the one that ranks models."""
        raise NotImplementedError


@EVALUATOR_REGISTRY.register()
class Classification(EvaluatorBase):
    """Accuracy, error rate, macro F1 and, on request, results per class, all in percent.

    Args:
        cfg: the configuration.
        lab2cname: class name by label; needed for TEST.PER_CLASS_RESULT.

    Raises:
        ValueError: TEST.PER_CLASS_RESULT without `lab2cname`.
    """

    def __init__(
        self, cfg: CfgNode, lab2cname: Mapping[int, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cfg)
        if cfg.TEST.PER_CLASS_RESULT and lab2cname is None:
            raise ValueError(
                "TEST.PER_CLASS_RESULT True needs the class names (lab2cname); got None. "
                "Give them to the evaluator or set it False."
            )
        self._lab2cname = lab2cname
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._correct = 0
        self._total = 0
        self._y_true: list[int] = []
        self._y_pred: list[int] = []
        # label -> one 0 or 1 per image of that label
        self._per_class_res: dict[int, list[int]] | None = (
            {} if self.cfg.TEST.PER_CLASS_RESULT else None
        )

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        """Take in logits [B, C] and labels [B]."""
        predicted = mo.argmax(dim=1)
        matches = predicted.eq(gt).int().tolist()
        labels = gt.tolist()
        self._correct += sum(matches)
        self._total += len(labels)
        self._y_true.extend(labels)
        self._y_pred.extend(predicted.tolist())
        if self._per_class_res is not None:
            for label, match in zip(labels, matches, strict=True):
                self._per_class_res.setdefault(label, []).append(match)

    def evaluate(self) -> "OrderedDict[str, float]":
        """Print and return the results of all batches since the last reset.

        Raises:
            ValueError: there were none.
        """
        if self._total == 0:
            raise ValueError("Nothing to evaluate: no image was processed. Is the split empty?")
        accuracy = 100.0 * self._correct / self._total
        results = OrderedDict(
            accuracy=accuracy,
            error_rate=100.0 - accuracy,
            macro_f1=100.0 * macro_f1(self._y_true, self._y_pred),
        )
        print(
            "=> result\n"
            f"* total: {self._total:,}\n"
            f"* correct: {self._correct:,}\n"
            f"* accuracy: {accuracy:.1f}%\n"
            f"* error: {results['error_rate']:.1f}%\n"
            f"* macro_f1: {results['macro_f1']:.1f}%"
        )
        if self._per_class_res is not None:
            results["perclass_accuracy"] = self._print_per_class()
        if self.cfg.TEST.COMPUTE_CMAT:
            path = os.path.join(self.cfg.OUTPUT_DIR, "cmat.pt")
            os.makedirs(self.cfg.OUTPUT_DIR, exist_ok=True)
            _save(confusion_matrix(self._y_true, self._y_pred), path)
            print(f"Confusion matrix is saved to {path}")
        return results

    def _print_per_class(self) -> float:
        """Print the accuracy of every class; return their mean in percent."""
        print("=> per-class result")
        accuracies = []
        for label in sorted(self._per_class_res):
            matches = self._per_class_res[label]
            accuracies.append(100.0 * sum(matches) / len(matches))
            print(
                f"* class: {label} ({self._lab2cname[label]})\ttotal: {len(matches):,}\t"
                f"correct: {sum(matches):,}\tacc: {accuracies[-1]:.1f}%"
            )
        mean = float(np.mean(accuracies))
        print(f"* average: {mean:.1f}%")
        return mean


def _save(matrix: np.ndarray, path: str) -> None:
    try:
        # Given a path, torch would hide the system's error behind one of its own.
        with open(path, "wb") as file:
            torch.save(matrix, file)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)  # half written
        raise OSError(error.errno, error.strerror, path) from error


def macro_f1(y_true: list[int], y_pred: list[int]) -> float:
    """Return the F1 score, 0 to 1, averaged over the labels that occur in `y_true`."""
    true, predicted = np.asarray(y_true), np.asarray(y_pred)
    scores = []
    for label in np.unique(true):
        hits = np.sum((true == label) & (predicted == label))
        # 2 TP / (2 TP + FP + FN); a label in y_true makes the denominator positive.
        scores.append(2.0 * hits / (np.sum(true == label) + np.sum(predicted == label)))
    return float(np.mean(scores))


def confusion_matrix(y_true: list[int], y_pred: list[int]) -> np.ndarray:
    """Return the matrix [L, L] over the L labels that occur; each row of true labels sums to 1.

    The row of a label that is only predicted, never true, is zero.
    """
    labels = np.union1d(y_true, y_pred)
    rows, columns = np.searchsorted(labels, y_true), np.searchsorted(labels, y_pred)
    matrix = np.zeros((len(labels), len(labels)))
    np.add.at(matrix, (rows, columns), 1.0)
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1.0)
