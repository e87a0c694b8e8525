"""Top-k accuracy."""

from collections.abc import Sequence

import torch


def compute_accuracy(
    output: torch.Tensor | Sequence[torch.Tensor],
    target: torch.Tensor,
    topk: Sequence[int] = (1,),
) -> list[torch.Tensor]:
    """Return the top-k accuracy in percent, one tensor of one element per k.

    Args:
        output: logits [B, C]; of a tuple or list the first element is used.
        target: labels [B].
        topk: values of k, at most C.
    """
    if isinstance(output, tuple | list):
        output = output[0]
    predicted = output.topk(max(topk), dim=1).indices  # [B, K]
    hits = predicted.eq(target.reshape(-1, 1))  # [B, K]
    scale = 100.0 / target.shape[0]
    return [hits[:, :k].float().sum().reshape(1).mul(scale) for k in topk]
