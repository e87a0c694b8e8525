"""Rows, gradients and batches shared out over processes against one process that has them all."""

import pytest
import torch
from torch.utils.data import DataLoader

from promptkit import ranks
from tests import processes

BATCHES = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]


@pytest.fixture
def of_many(monkeypatch):
    """What `ask` answers in each of `count` processes."""

    def answers(count, ask):
        found = []
        monkeypatch.setattr(ranks, "_count", count)
        for number in range(count):
            monkeypatch.setattr(ranks, "_rank", number)
            found.append(ask())
        return found

    return answers


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_row_is_one_processs_and_sizes_differ_by_one_at_most(of_many, count):
    for number in range(count, 12):
        shares = of_many(count, lambda n=number: [*range(n)][ranks.rows(n)])
        assert sum(shares, []) == [*range(number)]
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_fewer_rows_than_processes_are_everybodys(of_many):
    assert of_many(3, lambda: ranks.rows(2)) == [slice(None)] * 3
    assert (
        of_many(3, lambda: ranks.split(lambda rows: torch.arange(2)[rows], 2).tolist())
        == [[0, 1]] * 3
    )


def test_every_batch_is_one_processs(of_many):
    loader = DataLoader(torch.arange(12), batch_size=5)
    read = of_many(2, lambda: [batch.tolist() for batch in ranks.own_batches(loader)])
    assert read == [[BATCHES[0], BATCHES[2]], [BATCHES[1]]]
    assert of_many(2, lambda: len(ranks.own_batches(loader))) == [2, 1]
    others = of_many(4, lambda: [*ranks.own_batches(BATCHES)])
    assert others == [[BATCHES[0]], [BATCHES[1]], [BATCHES[2]], []]


def test_alone_everything_stays_what_it_is():
    loader, tensors = DataLoader(torch.arange(12), batch_size=5), [torch.ones(2)]
    assert ranks.own_batches(loader) is ranks.shared_loader(loader, torch.device("cpu")) is loader
    assert ranks.means(tensors)[0] is tensors[0] and ranks.in_order(tensors) is tensors
    assert ranks.of_all(3) == [3] and ranks.of_first(3) == 3


def step(images, classes, weights):
    """A loss of contrasts between all of a batch, whose weight both encoders share."""
    of_images, of_classes = weights[0], weights[0] * weights[1]
    with ranks.step():
        x = ranks.split(lambda rows: (images[rows] @ of_images).tanh(), len(images))
        y = ranks.split(lambda rows: (classes[rows] @ of_classes).tanh(), len(classes))
    loss = (x @ x.T).logsumexp(0).mean() + (x @ y.T).square().sum() + weights[2].square().sum()
    return loss, torch.autograd.grad(loss, weights)


@pytest.mark.parametrize("count", [2, 3])
def test_gradients_are_those_of_one_process(tmp_path, count):
    generator = torch.Generator().manual_seed(0)
    options = {"generator": generator, "dtype": torch.float64}
    images, classes = torch.randn(7, 4, **options), torch.randn(5, 4, **options)
    weights = [torch.randn(4, 4, **options).requires_grad_() for _ in range(3)]
    expected = step(images, classes, weights)

    def work(number):
        with ranks.joined(number, count):
            loss, gradients = step(images, classes, weights)
            # Outside of a step, whatever rows there are may be this process's own.
            assert len(ranks.split(lambda rows: images[rows], 7 + number)) == 7
            batches = [batch.clone() for batch in ranks.own_batches(images.split(3))]
            joined = torch.cat(ranks.in_order(batches))
            torch.save((loss, ranks.means(gradients), joined), tmp_path / str(number))
        return 0

    codes = processes.codes(processes.start(work, tmp_path / "log", count), tmp_path / "log")
    assert codes == [0] * count, processes.said(tmp_path / "log")
    found = [torch.load(tmp_path / str(number)) for number in range(count)]
    for loss, gradients, joined in found:
        torch.testing.assert_close(loss, expected[0], rtol=1e-13, atol=0)
        torch.testing.assert_close(gradients, [*expected[1]], rtol=1e-11, atol=1e-11)
        assert torch.equal(joined, images)
    for gradients in found[1][1:]:
        assert all(map(torch.equal, found[0][1], found[1][1])), gradients
