"""Bounds on MI: against loops, closed forms, and the known MI of correlated Gaussians."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from promptkit.objectives.critics import MLPCritic
from promptkit.objectives.mutual_information import (
    BOUNDS,
    MovingAverage,
    dv,
    estimate,
    infonce,
    jsd,
    jsd_nats,
    levelled,
    nwj,
)

WIDTH, RHO = 4, 0.5
GAUSSIAN_MI = -WIDTH / 2 * math.log(1 - RHO**2)


def draw_scores(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def draw_gaussians(num_pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    x = torch.randn(num_pairs, WIDTH, generator=generator)
    noise = torch.randn(num_pairs, WIDTH, generator=generator)
    return x, RHO * x + math.sqrt(1 - RHO**2) * noise


def log_density_ratio(x: Tensor, y: Tensor) -> Tensor:
    squares = x.square().sum(1)[:, None] + y.square().sum(1)
    quadratic = (RHO * x @ y.T - RHO**2 * squares / 2) / (1 - RHO**2)
    return GAUSSIAN_MI + quadratic


def best_scores(name: str, x: Tensor, y: Tensor) -> Tensor:
    return log_density_ratio(x, y) + (1 if name == "nwj" else 0)


def test_infonce_does_not_see_a_drift_that_all_classes_share():
    """docs/e2mim.md: nothing off the span of what tells the other views apart is held."""
    generator = torch.Generator().manual_seed(3)
    soft, hand = torch.randn(2, 5, 12, generator=generator, dtype=torch.float64)
    between = torch.linalg.qr((hand - hand.mean(0)).T)[0][:, :4]  # spans h_c - h_c'
    drift = torch.randn(12, generator=generator, dtype=torch.float64)
    unseen = drift - between @ (between.T @ drift)
    assert unseen.norm() > 0.5 * drift.norm()
    moved = [infonce((soft + step) @ hand.T).item() for step in (0 * unseen, unseen, drift)]
    assert moved[0] == pytest.approx(moved[1], rel=1e-12)
    assert abs(moved[0] - moved[2]) > 0.01


def naive(name: str, scores: Tensor) -> float:
    """Evaluate a bound's formula by loops over Python floats."""
    n, m = scores.shape
    t = scores.tolist()
    joint = [t[i][i] for i in range(n)]
    marginal = [t[i][j] for i in range(n) for j in range(m) if i != j]
    mean_exp = sum(map(math.exp, marginal)) / len(marginal)
    if name == "infonce":
        rows = [sum(map(math.exp, t[i])) / m for i in range(n)]
        columns = [sum(math.exp(t[i][j]) for i in range(n)) / n for j in range(n)]
        return sum(joint[i] - math.log(rows[i] * columns[i]) / 2 for i in range(n)) / n
    if name == "jsd":
        positive = sum(-math.log1p(math.exp(-value)) for value in joint) / n
        return positive - sum(math.log1p(math.exp(value)) for value in marginal) / len(marginal)
    if name == "nwj":
        return sum(joint) / n - mean_exp / math.e
    return sum(joint) / n - math.log(mean_exp)


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("num_extra", [0, 3])
def test_bounds_equal_their_formulas(name, num_extra):
    scores = draw_scores(5, 5 + num_extra)
    assert BOUNDS[name](scores).item() == pytest.approx(naive(name, scores), rel=1e-12)


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_are_tight_at_the_best_critic(name):
    generator = torch.Generator().manual_seed(0)
    nats = []
    for _ in range(20):
        x, y = draw_gaussians(512, generator)
        # What all bounds share, the mean log ratio of the joint samples, varies most: use that its
        # expectation is the MI.
        noise = log_density_ratio(x, y).diagonal().mean() - GAUSSIAN_MI
        nats.append(estimate(name, best_scores(name, x, y)).nats - noise)
    assert torch.stack(nats).mean().item() == pytest.approx(GAUSSIAN_MI, rel=0.015)


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("scale", [0.7, 1.3])
def test_the_best_critic_maximises_the_objective(name, scale):
    x, y = draw_gaussians(2048, torch.Generator().manual_seed(0))
    scores = best_scores(name, x, y)
    level = scores.mean()
    worse = level + scale * (scores - level)
    assert estimate(name, worse).objective < estimate(name, scores).objective - 1e-3


@pytest.fixture
def one_thread():
    """Small matrices gain nothing from threads and, on a busy machine, wait for them."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=() if x in ("infonce", "nwj") else pytest.mark.large) for x in BOUNDS],
)
def test_a_trained_critic_comes_within_ten_percent_from_below(name, one_thread):
    generator = torch.Generator().manual_seed(0)
    critic, average, num_steps = MLPCritic(WIDTH, 32, generator), MovingAverage(), 600
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
    for _ in range(num_steps):
        scores = critic(*draw_gaussians(128, generator))
        optimizer.zero_grad()
        (-estimate(name, scores, average=average).objective).backward()
        optimizer.step()
        schedule.step()
    trained, best = [], []
    for _ in range(20):
        x, y = draw_gaussians(512, generator)
        with torch.no_grad():
            trained.append(estimate(name, critic(x, y)).nats)
        best.append(estimate(name, best_scores(name, x, y)).nats)
    # On the same samples, so that their noise cancels.
    gap = (torch.stack(best) - torch.stack(trained)).mean().item()
    assert 0 < gap < 0.1 * GAUSSIAN_MI
    assert torch.stack(trained).mean().item() == pytest.approx(GAUSSIAN_MI, rel=0.1)


@given(
    seed=st.integers(0, 2**31),
    num_pairs=st.integers(2, 12),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 30.0, 1e4]),
    aligned=st.booleans(),
)
def test_infonce_never_passes_log_n(seed, num_pairs, scale, aligned):
    scores = scale * (draw_scores(num_pairs, num_pairs, seed=seed) + aligned * torch.eye(num_pairs))
    assert infonce(scores).item() <= math.log(num_pairs) + 1e-12


def test_infonce_reaches_log_n_when_separable():
    assert infonce(1e3 * torch.eye(7)).item() == pytest.approx(math.log(7))


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_treat_both_views_alike(name):
    scores = draw_scores(6, 6)
    torch.testing.assert_close(BOUNDS[name](scores), BOUNDS[name](scores.T))


@pytest.mark.parametrize("name", BOUNDS)
def test_only_infonce_and_dv_ignore_the_level_of_scores(name):
    scores = draw_scores(6, 8)
    moved = BOUNDS[name](scores + 2.5) - BOUNDS[name](scores)
    assert (abs(moved.item()) < 1e-12) == (name in ("infonce", "dv"))


@pytest.mark.parametrize("name", BOUNDS)
def test_independent_views_hold_no_information(name):
    constant = 1.0 if name == "nwj" else 0.0
    assert estimate(name, torch.full((4, 6), constant)).nats.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["infonce", "jsd", "dv"])
def test_huge_scores_stay_finite(name):
    scores = (1e4 * draw_scores(5, 7)).float().requires_grad_()
    objective = BOUNDS[name](scores)
    objective.backward()
    assert objective.isfinite() and scores.grad.isfinite().all()


@pytest.mark.parametrize("name", BOUNDS)
def test_half_precision_scores_give_fp32(name):
    scores = draw_scores(5, 5).half()
    assert BOUNDS[name](scores).dtype == torch.float32
    torch.testing.assert_close(BOUNDS[name](scores), BOUNDS[name](scores.float()))


def test_jsd_gradient_on_two_pairs():
    scores = draw_scores(2, 2).requires_grad_()
    jsd(scores).backward()
    joint = torch.eye(2, dtype=torch.bool)
    expected = torch.where(joint, (-scores).sigmoid(), -scores.sigmoid()) / 2
    torch.testing.assert_close(scores.grad, expected)


def test_estimate_tells_nats_from_the_objective():
    scores = draw_scores(5, 5).requires_grad_()
    for name, bound in BOUNDS.items():
        nats, objective = estimate(name, scores)
        torch.testing.assert_close(objective, bound(scores))
        torch.testing.assert_close(nats, (jsd_nats if name == "jsd" else bound)(scores).detach())
        assert objective.requires_grad and not nats.requires_grad
    torch.testing.assert_close(jsd_nats(scores), nwj(scores + 1))


def dv_gradient(scores: Tensor, average: MovingAverage | None) -> Tensor:
    scores = scores.clone().requires_grad_()
    dv(scores, average=average).backward()
    return scores.grad


def test_dv_correction_is_none_when_the_average_is_the_batch_mean():
    scores = draw_scores(4, 6)
    plain = dv_gradient(scores, None)
    average = MovingAverage(rate=0.25)
    for _ in range(3):  # The first batch sets the average, the same batch keeps it.
        torch.testing.assert_close(dv_gradient(scores, average), plain, rtol=1e-6, atol=0)


def test_dv_correction_replaces_the_denominator_and_nothing_else():
    past, scores = draw_scores(4, 4, seed=1), draw_scores(4, 4)
    average = MovingAverage(rate=0.25)
    dv(past, average=average)
    joint = torch.eye(4, dtype=torch.bool)
    mean = 0.75 * past[~joint].exp().mean() + 0.25 * scores[~joint].exp().mean()
    expected = torch.where(joint, 1 / 4, -scores.exp() / (12 * mean))
    state = average.log_average.clone()
    torch.testing.assert_close(dv_gradient(scores, average), expected, rtol=1e-6, atol=0)
    assert average.log_average.item() == pytest.approx(mean.log().item(), rel=1e-6)
    average.log_average.copy_(state)
    torch.testing.assert_close(dv(scores, average=average), dv(scores))


def test_moving_average_survives_a_checkpoint():
    old, new = MovingAverage(), MovingAverage()
    old(torch.tensor(2.0))
    new.load_state_dict(old.state_dict())
    assert old(torch.tensor(3.0)) == new(torch.tensor(3.0)) == old.log_average
    assert 2 < new.log_average < 3


def test_moving_average_does_not_change_in_evaluation():
    average = MovingAverage().eval()
    assert average(torch.tensor(2.0)) == 2
    assert average.log_average == -math.inf


def test_moving_average_at_rate_one_forgets():
    average = MovingAverage(rate=1.0)
    for value in (2.0, 3.0):
        assert average(torch.tensor(value)) == value


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, math.nan])
def test_moving_average_refuses_a_rate(rate):
    with pytest.raises(ValueError, match="rate"):
        MovingAverage(rate)


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_refuse_scores_without_negatives(name):
    with pytest.raises(ValueError, match="at least 2 pairs.*got 1"):
        estimate(name, torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"\[N, N \+ R\].*got \[3, 2\]"):
        estimate(name, torch.zeros(3, 2))


def test_unknown_bound_names_the_known():
    with pytest.raises(ValueError, match="infonce, jsd, nwj, dv; got 'mine'"):
        estimate("mine", torch.zeros(2, 2))


@given(seed=st.integers(0, 99), shift=st.floats(-50, 50), extra=st.integers(0, 3))
@settings(max_examples=25)
def test_levelled_nwj_and_jsd_read_as_dv_whatever_the_level(seed, shift, extra):
    scores = 3 * draw_scores(6, 6 + extra, seed=seed) + shift
    assert nwj(levelled("nwj", scores)).item() == pytest.approx(dv(scores).item(), abs=1e-9)
    assert jsd_nats(levelled("jsd", scores)).item() == pytest.approx(dv(scores).item(), abs=1e-9)
    assert levelled("infonce", scores) is scores and levelled("dv", scores) is scores


def test_levelled_nwj_has_the_gradient_of_dv():
    scores = (5 * draw_scores(5, 7)).requires_grad_()
    nwj(levelled("nwj", scores)).backward()
    expected, scores.grad = scores.grad, None
    dv(scores).backward()
    torch.testing.assert_close(scores.grad, expected)
