"""Evaluator, accuracy and distances."""

import numpy as np
import pytest
import torch

from dassl.config import get_cfg_default
from dassl.evaluation import build_evaluator
from dassl.evaluation.evaluator import confusion_matrix, macro_f1
from dassl.metrics import (
    compute_accuracy,
    compute_distance_matrix,
    cosine_distance,
    euclidean_squared_distance,
)

LOGITS = torch.tensor(
    [
        [0.9, 0.1, 0.0],
        [0.2, 0.8, 0.0],
        [0.1, 0.2, 0.7],
        [0.6, 0.3, 0.1],
        [0.1, 0.5, 0.4],
        [0.3, 0.3, 0.4],
    ]
)
LABELS = torch.tensor([0, 1, 2, 1, 1, 0])
NAMES = {0: "a", 1: "b", 2: "c"}


def evaluator(**test):
    cfg = get_cfg_default()
    cfg.TEST.update(test)
    return build_evaluator(cfg, lab2cname=NAMES)


def test_golden_results_and_lines(capsys):
    golden = evaluator(PER_CLASS_RESULT=True)
    assert capsys.readouterr().out == "Loading evaluator: Classification\n"
    golden.process(LOGITS[:4], LABELS[:4])
    golden.process(LOGITS[4:], LABELS[4:])
    results = golden.evaluate()
    assert list(results) == ["accuracy", "error_rate", "macro_f1", "perclass_accuracy"]
    expected = [66.666667, 33.333333, 65.555556, 72.222222]
    assert list(results.values()) == pytest.approx(expected, abs=1e-6)
    assert capsys.readouterr().out == (
        "=> result\n"
        "* total: 6\n"
        "* correct: 4\n"
        "* accuracy: 66.7%\n"
        "* error: 33.3%\n"
        "* macro_f1: 65.6%\n"
        "=> per-class result\n"
        "* class: 0 (a)\ttotal: 2\tcorrect: 1\tacc: 50.0%\n"
        "* class: 1 (b)\ttotal: 3\tcorrect: 2\tacc: 66.7%\n"
        "* class: 2 (c)\ttotal: 1\tcorrect: 1\tacc: 100.0%\n"
        "* average: 72.2%\n"
    )
    assert (golden._correct, golden._total) == (4, 6)
    assert golden._per_class_res == {0: [1, 0], 1: [1, 0, 1], 2: [1]}
    assert golden._y_true == LABELS.tolist() and golden._y_pred == [0, 1, 2, 0, 1, 2]


def test_reset_and_empty(capsys):
    plain = evaluator()
    plain.process(LOGITS, LABELS)
    assert list(plain.evaluate()) == ["accuracy", "error_rate", "macro_f1"]
    plain.reset()
    with pytest.raises(ValueError, match="no image was processed"):
        plain.evaluate()


def test_thousands_separator(capsys):
    many = evaluator()
    many.process(LOGITS.repeat(300, 1), LABELS.repeat(300))
    many.evaluate()
    assert "* total: 1,800\n* correct: 1,200\n" in capsys.readouterr().out


def test_per_class_needs_names():
    cfg = get_cfg_default()
    cfg.TEST.PER_CLASS_RESULT = True
    with pytest.raises(ValueError, match="needs the class names"):
        build_evaluator(cfg)


def test_macro_f1_counts_labels_that_occur_in_the_truth():
    # Label 5 is only predicted: it costs label 1 its hit but has no score of its own.
    assert macro_f1([0, 0, 1], [0, 0, 5]) == pytest.approx((1.0 + 0.0) / 2)
    assert macro_f1([0, 0, 1, 1], [0, 1, 1, 1]) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_labels_that_are_absent_from_the_truth_have_no_score(capsys):
    """As in sklearn with labels=unique(y_true): an absent class neither helps nor hurts."""
    sparse = evaluator()
    sparse.process(torch.eye(9)[[2, 2, 7, 0]], torch.tensor([2, 2, 7, 7]))
    # Of 9 classes 2 occur: F1 of 2 is 1, of 7 it is 2/3; 0 is predicted, never true.
    assert sparse.evaluate()["macro_f1"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert macro_f1([3], [3]) == 1 and macro_f1([3], [4]) == 0


def test_confusion_matrix_is_saved(tmp_path, capsys):
    cfg = get_cfg_default()
    cfg.TEST.COMPUTE_CMAT = True
    cfg.OUTPUT_DIR = str(tmp_path)
    saving = build_evaluator(cfg, lab2cname=NAMES)
    saving.process(LOGITS, LABELS)
    saving.evaluate()
    assert capsys.readouterr().out.endswith(f"Confusion matrix is saved to {tmp_path}/cmat.pt\n")
    matrix = torch.load(tmp_path / "cmat.pt", weights_only=False)
    expected = np.array([[0.5, 0, 0.5], [1 / 3, 2 / 3, 0], [0, 0, 1]])
    np.testing.assert_allclose(matrix, expected)
    np.testing.assert_array_equal(confusion_matrix([4], [9]), [[0, 1], [0, 0]])


def test_compute_accuracy():
    (top1,) = compute_accuracy(LOGITS, LABELS)
    assert top1.tolist() == [66.66666412353516]
    # The right label is at rank 0, 1, 2, 3 of the four rows.
    logits = torch.tensor([[4.0, 3, 2, 1, 0, -1]]).repeat(4, 1)
    top = compute_accuracy((logits, None), torch.arange(4), topk=(1, 2, 5))
    assert [value.shape for value in top] == [(1,)] * 3
    assert [value.item() for value in top] == [25.0, 50.0, 100.0]


def test_distances_equal_the_obvious_loops():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 5, generator=generator), torch.randn(3, 5, generator=generator)
    squared = torch.stack([torch.stack([(x - y).pow(2).sum() for y in b]) for x in a])
    cosine = torch.stack(
        [torch.stack([1 - torch.cosine_similarity(x, y, 0) for y in b]) for x in a]
    )
    torch.testing.assert_close(euclidean_squared_distance(a, b), squared)
    torch.testing.assert_close(cosine_distance(a, b), cosine)
    torch.testing.assert_close(compute_distance_matrix(a, b), squared)
    torch.testing.assert_close(compute_distance_matrix(a, b, metric="cosine"), cosine)
    with pytest.raises(ValueError, match='euclidean, cosine; got "l1"'):
        compute_distance_matrix(a, b, metric="l1")
    with pytest.raises(ValueError, match=r"\(4, 5\) and \(3, 4\)"):
        compute_distance_matrix(a, b[:, :4])
