"""Lower bounds on mutual information (MI), as functions of a matrix of critic scores.

`scores[i, j] = T(x_i, y_j)` for N pairs: the diagonal holds samples of the joint distribution, the
rest samples of the product of the marginals. Columns past the N-th, if any, are y that match no x
and serve as extra negatives; a bound stays one only if they too follow the marginal of y.

All values are in nats and computed in fp32 or better, except where said. What the bounds make of
one another, their bias and their variance: Poole et al., arXiv:1905.06922.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Estimate(NamedTuple):
    """What `estimate` returns, both 0-dim: the MI to log, the objective to maximise."""

    nats: Tensor
    objective: Tensor


class MovingAverage(nn.Module):
    """Running mean of `E_marginal[exp T]`, which steadies the gradient of `dv`.

    It is kept as a logarithm, in a buffer, so that it neither overflows nor is lost on resuming.
    The first batch sets it. In evaluation mode it is read but not changed.

    Args:
        rate: weight of the newest batch, in (0, 1]. No gradient is scaled by more than `1 / rate`.
    """

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        if not 0 < rate <= 1:
            raise ValueError(f"The rate of a moving average must be in (0, 1]; got {rate}.")
        self.rate = rate
        self.register_buffer("log_average", torch.tensor(-math.inf))

    def forward(self, log_mean: Tensor) -> Tensor:
        """Return the log of the average that includes this batch's mean `exp(log_mean)`."""
        log_mean = log_mean.detach()
        # log1p(-1) is -inf, which is right (no weight on the past), but math refuses it.
        log_keep = math.log1p(-self.rate) if self.rate < 1 else -math.inf
        mixed = torch.logaddexp(self.log_average + log_keep, log_mean + math.log(self.rate))
        log_average = torch.where(self.log_average.isneginf(), log_mean, mixed)
        if self.training:
            self.log_average.copy_(log_average)
        return log_average


def infonce(scores: Tensor) -> Tensor:
    """InfoNCE, the mean of both directions (arXiv:1807.03748).

    From x to y the negatives are all columns; from y to x the N rows, as extra columns have no x.
    The positive counts in both denominators, so the value never passes `log N`
    (`(log(N + R) + log N) / 2` with R extra columns). A constant added to all scores cancels.

    With the cosine critic, the direction from the soft to the hand-crafted view is `log N` minus
    the text-to-text cross-entropy of LASP (arXiv:2210.01115).

    Args:
        scores: `[N, N + R]`, N at least 2.
    """
    scores = _checked(scores)
    num_pairs, num_columns = scores.shape
    target = torch.arange(num_pairs, device=scores.device)
    x_to_y = math.log(num_columns) - F.cross_entropy(scores, target)
    y_to_x = math.log(num_pairs) - F.cross_entropy(scores[:, :num_pairs].T, target)
    return (x_to_y + y_to_x) / 2


def jsd(scores: Tensor) -> Tensor:
    """Jensen-Shannon objective, `E_joint[-softplus(-T)] - E_marginal[softplus(T)]`.

    Stable, largest at `T = log p(x, y) / p(x)p(y)`, but *not in nats*: see `jsd_nats`.
    Eq. (4) of arXiv:1808.06670.

    Args:
        scores: `[N, N + R]`, N at least 2.
    """
    scores = _checked(scores)
    marginal = F.softplus(_without_joint(scores)).sum() / _num_marginal(scores)
    return F.logsigmoid(scores.diagonal()).mean() - marginal


def jsd_nats(scores: Tensor) -> Tensor:
    """MI in nats from a critic trained with `jsd`.

    Its best T is the log ratio of densities, and that plus one is the best critic of `nwj`, so
    `nwj(T + 1)` is tight there and a lower bound elsewhere (arXiv:1905.06922, section 2.3).

    Args:
        scores: `[N, N + R]`, N at least 2.
    """
    return nwj(scores + 1)


def nwj(scores: Tensor) -> Tensor:
    """Nguyen, Wainwright, Jordan: `E_joint[T] - E_marginal[exp(T - 1)]` (arXiv:0809.0853).

    Unlike `infonce` and `dv` it depends on the level of the scores: tight at one plus the log
    ratio of densities. Scores near 89 or above overflow fp32.

    Args:
        scores: `[N, N + R]`, N at least 2.
    """
    scores = _checked(scores)
    return scores.diagonal().mean() - (_log_mean_exp_marginal(scores) - 1).exp()


def dv(scores: Tensor, *, average: MovingAverage | None = None) -> Tensor:
    """Donsker-Varadhan, as in MINE: `E_joint[T] - log E_marginal[exp T]` (arXiv:1801.04062).

    A batch's own gradient of the logarithm is biased. With `average` the value stays the same and
    the gradient is that of MINE's section 3.2: `E[exp(T) dT]` over the running mean of `E[exp T]`
    instead of over the batch's.

    Args:
        scores: `[N, N + R]`, N at least 2.
        average: updated in place if it is in training mode.
    """
    scores = _checked(scores)
    log_mean = _log_mean_exp_marginal(scores)
    if average is not None:
        # d log_mean = E[exp(T) dT] / batch mean; the ratio swaps the denominator.
        ratio = (log_mean.detach() - average(log_mean)).exp()
        log_mean = log_mean.detach() + ratio * (log_mean - log_mean.detach())
    return scores.diagonal().mean() - log_mean


BOUNDS = {"infonce": infonce, "jsd": jsd, "nwj": nwj, "dv": dv}


def estimate(name: str, scores: Tensor, *, average: MovingAverage | None = None) -> Estimate:
    """Evaluate the bound called `name`.

    Args:
        name: a key of `BOUNDS`.
        scores: `[N, N + R]`, N at least 2.
        average: used by `dv` alone.

    Returns:
        MI in nats without gradient, and the objective with it. They differ in value for `jsd`.

    Raises:
        ValueError: on an unknown name or scores of the wrong shape.
    """
    if name not in BOUNDS:
        raise ValueError(f"The MI bound must be one of {', '.join(BOUNDS)}; got {name!r}.")
    objective = dv(scores, average=average) if name == "dv" else BOUNDS[name](scores)
    nats = jsd_nats(scores.detach()) if name == "jsd" else objective.detach()
    return Estimate(nats, objective)


def classified(logits: Tensor) -> Estimate:
    """The classifier's own bound: `log M - CE`, column i being the class of row i.

    Args:
        logits: `[N, M]`, M at least N; what else they are, no critic is learned.
    """
    logits = _checked(logits)
    target = torch.arange(len(logits), device=logits.device)
    bound = math.log(logits.shape[1]) - F.cross_entropy(logits, target)
    return Estimate(bound.detach(), bound)


def levelled(name: str, scores: Tensor) -> Tensor:
    """Shift the scores of a critic without an offset to where the bound called `name` is tight.

    `nwj` and `jsd` depend on the level of the scores, which the cosine and bilinear critics cannot
    learn: far from it their exponentials explode. The best level for given scores is known: the
    one at which `E_marginal[exp T]` is 1 (`jsd`) or e (`nwj`, whose value is then that of `dv`).
    It is taken from the batch and carries no gradient. Other bounds do not see a level.

    Args:
        name: a key of `BOUNDS`.
        scores: `[N, N + R]`, N at least 2.
    """
    if name not in ("nwj", "jsd"):
        return scores
    scores = _checked(scores)
    return scores - _log_mean_exp_marginal(scores.detach()) + (1 if name == "nwj" else 0)


def _checked(scores: Tensor) -> Tensor:
    """Check the shape of scores and raise half precision to fp32."""
    if scores.ndim != 2 or scores.shape[1] < scores.shape[0]:
        raise ValueError(f"MI scores must be [N, N + R] with R >= 0; got {list(scores.shape)}.")
    if scores.shape[0] < 2:
        raise ValueError(f"MI needs at least 2 pairs, or none is negative; got {scores.shape[0]}.")
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _without_joint(scores: Tensor) -> Tensor:
    """Put -inf, which exp and softplus turn into 0, on the diagonal."""
    # A mask of fixed shape: indexing by it would make a GPU wait for the number of elements.
    joint = torch.eye(*scores.shape, dtype=torch.bool, device=scores.device)
    return scores.masked_fill(joint, -math.inf)


def _num_marginal(scores: Tensor) -> int:
    return scores.numel() - scores.shape[0]


def _log_mean_exp_marginal(scores: Tensor) -> Tensor:
    """Return `log E_marginal[exp T]`."""
    return _without_joint(scores).flatten().logsumexp(0) - math.log(_num_marginal(scores))
