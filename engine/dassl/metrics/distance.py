"""Pairwise distances between two sets of vectors."""

import torch
from torch.nn import functional as F


def euclidean_squared_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """Return the squared Euclidean distances [M, N] of the rows of [M, D] and [N, D]."""
    squares1 = input1.pow(2).sum(dim=1, keepdim=True)  # [M, 1]
    squares2 = input2.pow(2).sum(dim=1)  # [N]
    return squares1 + squares2 - 2 * input1 @ input2.t()


def cosine_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """Return one minus the cosine similarity, [M, N], of the rows of [M, D] and [N, D]."""
    return 1 - F.normalize(input1, dim=1) @ F.normalize(input2, dim=1).t()


_METRICS = {"euclidean": euclidean_squared_distance, "cosine": cosine_distance}


def compute_distance_matrix(
    input1: torch.Tensor, input2: torch.Tensor, metric: str = "euclidean"
) -> torch.Tensor:
    """Return the distances [M, N] of the rows of [M, D] and [N, D].

    Args:
        input1: [M, D].
        input2: [N, D].
        metric: euclidean (squared) or cosine.

    Raises:
        ValueError: unknown metric, or inputs that are not matrices of the same width.
    """
    if metric not in _METRICS:
        raise ValueError(f'metric must be one of {", ".join(_METRICS)}; got "{metric}".')
    if input1.dim() != 2 or input2.dim() != 2 or input1.shape[1] != input2.shape[1]:
        raise ValueError(
            "Distances need two matrices of the same width; "
            f"got shapes {tuple(input1.shape)} and {tuple(input2.shape)}."
        )
    return _METRICS[metric](input1, input2)
