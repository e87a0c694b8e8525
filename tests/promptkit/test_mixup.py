"""Class-wise Mixup: which pairs, how they are weighted, what they mix to."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from promptkit.objectives.mixup import (
    MODES,
    Pairs,
    draw_pairs,
    mix_features,
    mix_images,
    mix_text,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(labels: list[int], mode: str, alpha: float = 1.0, seed: int = 0) -> Pairs:
    return draw_pairs(torch.tensor(labels), mode=mode, alpha=alpha, generator=generator(seed))


def unit(*shape: int, seed: int = 0) -> Tensor:
    features = torch.randn(*shape, generator=generator(seed))
    return features / features.norm(dim=-1, keepdim=True)


def is_possible(labels: list[int], i: int, j: int, mode: str) -> bool:
    same_class = labels[i] == labels[j]
    return {"inter": not same_class, "intra": same_class and i != j, "both": i != j}[mode]


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 2**31),
)
def test_pairs_keep_to_their_mode(labels, mode, seed):
    pairs = draw(labels, mode, seed=seed)
    images = range(len(labels))
    with_partner = [i for i in images if any(is_possible(labels, i, j, mode) for j in images)]
    assert pairs.first.tolist() == with_partner
    assert all(
        is_possible(labels, i, j, mode)
        for i, j in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    )
    assert len(pairs.weight) == len(with_partner) != 1
    assert pairs.weight.dtype == torch.float32
    assert ((pairs.weight >= 0) & (pairs.weight <= 1)).all()


@pytest.mark.parametrize(("mode", "labels"), [("inter", [3, 3]), ("intra", [0, 1]), ("both", [0])])
def test_no_partner_anywhere_gives_no_pairs(mode, labels):
    pairs = draw(labels, mode)
    assert [len(part) for part in pairs] == [0, 0, 0]
    assert mix_features(unit(len(labels), 4), pairs).shape == (0, 4)
    assert mix_images(torch.zeros(len(labels), 3, 2, 2), pairs).shape == (0, 3, 2, 2)


def test_partners_are_uniform():
    labels = [0, 0, 1, 2]
    partners = [draw(labels, "inter", seed=seed).second[2].item() for seed in range(900)]
    counts = torch.bincount(torch.tensor(partners), minlength=4)
    assert counts[2] == 0
    assert ((counts[[0, 1, 3]] - 300).abs() < 60).all()  # more than 4 standard deviations


@pytest.mark.parametrize("alpha", [1e-6, 0.01, 0.3, 1.0, 5.0])
def test_weights_follow_beta(alpha):
    weight = draw([0, 1] * 1000, "inter", alpha=alpha).weight.double()
    variance = 1 / (4 * (2 * alpha + 1))
    assert weight.isfinite().all()
    assert weight.mean().item() == pytest.approx(0.5, abs=5 * (variance / 2000) ** 0.5)
    assert weight.var().item() == pytest.approx(variance, rel=0.15)


def test_pairs_depend_on_the_generator_alone():
    labels = [0, 1, 2, 0, 1, 2, 3]
    before = torch.get_rng_state()
    first = draw(labels, "both", seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    for part, same in zip(first, draw(labels, "both", seed=0), strict=True):
        assert torch.equal(part, same)
    assert not torch.equal(first.weight, draw(labels, "both", seed=1).weight)


def test_features_mix_to_unit_vectors():
    features, pairs = unit(6, 8), draw([0, 0, 1, 1, 2, 2], "inter")
    mixed = mix_features(features, pairs)
    torch.testing.assert_close(mixed.norm(dim=1), torch.ones(6))
    i, j, share = pairs.first[3], pairs.second[3], pairs.weight[3]
    expected = share * features[i] + (1 - share) * features[j]
    torch.testing.assert_close(mixed[3], expected / expected.norm())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_extreme_weights_return_one_of_both(share):
    pairs = Pairs(torch.tensor([0, 2]), torch.tensor([1, 0]), torch.full((2,), share))
    chosen = pairs.first if share == 1 else pairs.second
    features, images = unit(3, 8), torch.rand(3, 3, 4, 4, generator=generator())
    torch.testing.assert_close(mix_features(features, pairs), features[chosen])
    assert torch.equal(mix_images(images, pairs), images[chosen])


def test_images_mix_pixel_by_pixel():
    images = torch.stack([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)])
    pairs = Pairs(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.25, 0.25]))
    expected = torch.tensor([0.75, 0.25]).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    torch.testing.assert_close(mix_images(images, pairs), expected)


def test_half_precision_stays_half():
    pairs = draw([0, 1], "inter")
    assert mix_features(unit(2, 8).half(), pairs).dtype == torch.float16


def test_text_mixes_the_classes_of_the_images():
    text, labels = unit(3, 8), torch.tensor([2, 0])
    pairs = Pairs(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.3]))
    expected = 0.3 * text[2] + 0.7 * text[0]
    torch.testing.assert_close(mix_text(text, labels, pairs)[0], expected / expected.norm())


def test_text_of_pairs_within_a_class_is_its_own():
    text, labels = unit(3, 8), torch.tensor([2, 0, 2, 0])
    pairs = draw(labels.tolist(), "intra")
    torch.testing.assert_close(mix_text(text, labels, pairs), text[labels])


def test_gradient_flows_to_the_text():
    text = unit(3, 8).requires_grad_()
    labels = torch.tensor([2, 0])
    mix_text(text, labels, draw([2, 0], "inter"))[:, 0].sum().backward()
    assert text.grad[[0, 2]].abs().sum() > 0 and text.grad[1].abs().sum() == 0


def test_unknown_mode_names_the_known():
    with pytest.raises(ValueError, match="inter, intra, both; got 'cross'"):
        draw([0, 1], "cross")


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_alpha_must_be_positive(alpha):
    with pytest.raises(ValueError, match="alpha"):
        draw([0, 1], "inter", alpha=alpha)
