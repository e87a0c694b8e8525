"""Critics: against naive pairwise scores; no draw from the global random state."""

import pytest
import torch
from torch import Tensor

from promptkit.objectives.critics import (
    CRITICS,
    BilinearCritic,
    CosineCritic,
    MLPCritic,
    build_critic,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw_views(width: int = 6, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    source = generator(1)
    return tuple(torch.randn(n, width, generator=source).to(dtype) for n in (5, 7))


def test_cosine_is_the_cosine_of_each_pair():
    x, y = draw_views()
    expected = torch.nn.functional.cosine_similarity(x[:, None], y[None], dim=-1) / 0.07
    torch.testing.assert_close(CosineCritic(0.07)(x, y), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_bilinear_starts_as_cosine_to_the_last_bit(dtype):
    x, y = draw_views(dtype=dtype)
    assert torch.equal(BilinearCritic(6, 0.07)(x, y), CosineCritic(0.07)(x, y))


def test_bilinear_projects_each_view_by_its_own_matrix():
    x, y = draw_views()
    critic = BilinearCritic(6, 0.5)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.copy_(torch.randn(6, 6, generator=generator(2)))
        critic.y_projection.mul_(-2).add_(1)
    views = x @ critic.x_projection.T, y @ critic.y_projection.T
    torch.testing.assert_close(critic(x, y), CosineCritic(0.5)(*views))


def test_bilinear_can_learn_from_its_start():
    critic = BilinearCritic(6, 0.07)
    critic(*draw_views())[0, 0].backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in critic.parameters())


def test_mlp_equals_the_network_on_concatenated_pairs():
    x, y = draw_views(dtype=torch.float64)
    critic = MLPCritic(6, 11, generator()).double()
    pairs = torch.cat([x[:, None].expand(5, 7, 6), y[None].expand(5, 7, 6)], dim=-1)
    expected = critic.last(critic.first(pairs).relu()).squeeze(-1)
    torch.testing.assert_close(critic(x, y), expected)
    split, whole = (
        torch.autograd.grad(scores.square().sum(), [*critic.parameters()], retain_graph=True)
        for scores in (critic(x, y), expected)
    )
    torch.testing.assert_close(split, whole)


def test_mlp_draws_from_its_generator_alone():
    before = torch.get_rng_state()
    first, same, other = (MLPCritic(6, 11, generator(seed)).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not any(torch.equal(first[key], other[key]) for key in first)


def test_mlp_weights_fill_the_usual_range():
    layer = MLPCritic(8, 1000, generator()).first
    limit = 16**-0.5
    assert 0.95 * limit < layer.weight.abs().max() <= limit
    assert layer.weight.var().item() == pytest.approx(limit**2 / 3, rel=0.05)


@pytest.mark.parametrize("name", CRITICS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_built_critics_share_an_interface(name, dtype):
    scores = build_critic(name, 6, 0.07, generator())(*draw_views(dtype=dtype))
    assert scores.shape == (5, 7) and scores.dtype == torch.float32


def test_unknown_critic_names_the_known():
    with pytest.raises(ValueError, match="cosine, bilinear, mlp; got 'linear'"):
        build_critic("linear", 6, 0.07, generator())


@pytest.mark.parametrize("name", ["cosine", "bilinear"])
@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(name, temperature):
    with pytest.raises(ValueError, match="temperature"):
        build_critic(name, 6, temperature, generator())
