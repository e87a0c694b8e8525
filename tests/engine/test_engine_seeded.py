"""Order and views belong to seed, epoch and image, whatever else draws random numbers."""

import contextlib
import multiprocessing
import os
import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset, SequentialSampler

from dassl.data import DatasetWrapper
from dassl.data.data_manager import build_data_loader
from dassl.data.datasets import build_dataset
from dassl.data.seeded import (
    SeededIndex,
    SeededSampler,
    begin_epoch,
    random_numbers_of,
    seed_of,
)
from dassl.data.transforms import build_transform
from dassl.utils import set_random_seed

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")  # one core


def loader(make_cfg, workers, *, is_train=True, tfm=None, wrapper=None, batch_size=5, pairs=()):
    cfg = make_cfg("DATALOADER.NUM_WORKERS", workers, *pairs)
    return build_data_loader(
        cfg,
        sampler_type="RandomSampler" if is_train else "SequentialSampler",
        data_source=build_dataset(cfg).train_x,
        batch_size=batch_size,
        tfm=tfm or build_transform(cfg),
        is_train=is_train,
        dataset_wrapper=wrapper,
    )


def epoch(batches):
    return torch.cat([batch["img"] for batch in batches])


def epochs(batches, numbers):
    """Images of these epochs in the order they come."""
    seen = []
    for number in numbers:
        begin_epoch(batches, number)
        seen.append(epoch(batches))
    return seen


@pytest.mark.parametrize("workers", [1, 2])
def test_every_epoch_is_the_same_with_any_number_of_processes(make_cfg, workers):
    expected = epochs(loader(make_cfg, 0), range(3))
    assert not torch.equal(expected[0].sort(dim=0).values, expected[1].sort(dim=0).values)
    before = torch.get_rng_state()
    found = epochs(loader(make_cfg, workers), (2, 0, 1))
    assert all(torch.equal(found[place], expected[k]) for place, k in enumerate((2, 0, 1)))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_was_drawn_before_and_the_batch_size_change_nothing(make_cfg):
    expected = epochs(loader(make_cfg, 0), (1,))[0]
    set_random_seed(99)
    torch.rand(7)
    batches = loader(make_cfg, 0, batch_size=3)
    begin_epoch(batches, 1)
    found = epoch(batches)
    assert torch.equal(found[: len(expected)], expected[: len(found)])
    other = loader(make_cfg, 0, pairs=("SEED", 2))
    assert not torch.equal(epochs(other, (1,))[0], expected)


def test_an_image_has_one_view_an_epoch_in_any_order(make_cfg):
    batches = loader(make_cfg, 0)
    begin_epoch(batches, 4)
    shuffled = {
        int(index): image
        for batch in batches
        for index, image in zip(batch["index"], batch["img"], strict=True)
    }
    kept = batches.sampler.seeds_for(SequentialSampler(batches.dataset), 4)
    for index in kept:
        if int(index) in shuffled:  # the last, smaller batch is left out
            assert torch.equal(batches.dataset[index]["img"], shuffled[int(index)])


def test_without_a_seed_every_pass_draws_one(make_cfg):
    batches = loader(make_cfg, 0, pairs=("SEED", -1))
    torch.manual_seed(1)
    expected = epochs(batches, (0, 0))
    assert not torch.equal(*expected)
    torch.manual_seed(1)
    assert torch.equal(epochs(batches, (5,))[0], expected[0])


def test_a_second_pass_of_an_epoch_sees_other_views(make_cfg):
    batches = loader(make_cfg, 0)
    assert not torch.equal(epoch(batches), epoch(batches))


def test_processes_live_on_in_training_alone(make_cfg):
    for is_train in (True, False):
        batches = loader(
            make_cfg, 1, is_train=is_train, tfm=lambda image: torch.tensor(os.getpid())
        )
        pids = [{int(pid) for batch in batches for pid in batch["img"]} for _ in range(2)]
        assert len(pids[0]) == 1 and os.getpid() not in pids[0]
        assert (pids[0] == pids[1]) is is_train


@pytest.mark.parametrize("fails", [False, True])
def test_no_process_is_left_after_training(make_trainer, fails):
    trainer = make_trainer("DATALOADER.NUM_WORKERS", 1, "OPTIM.MAX_EPOCH", 2)
    before = set(multiprocessing.active_children())
    seen = []

    def after_epoch():
        seen.append(set(multiprocessing.active_children()) - before)
        if fails and len(seen) == 2:
            raise InterruptedError

    trainer.after_epoch = after_epoch
    with pytest.raises(InterruptedError) if fails else contextlib.nullcontext():
        trainer.train()
    trainer.close_writer()
    assert len(seen[0]) == 1 and seen[0] == seen[1]
    assert not seen[0] & set(multiprocessing.active_children())


def test_all_three_generators_are_the_items_own_and_go_on():
    set_random_seed(0)
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())

    def is_untouched():
        return (
            torch.equal(torch.get_rng_state(), before[0])
            and random.getstate() == before[1]
            and str(np.random.get_state()) == before[2]
        )

    def draw():
        return random.random(), np.random.rand(), torch.rand(()).item()

    index = SeededIndex(3, 2**62)
    with random_numbers_of(index):
        drawn = draw()
    assert is_untouched()
    with pytest.raises(OSError), random_numbers_of(index):
        draw()
        raise OSError
    assert is_untouched()
    with random_numbers_of(pickle.loads(pickle.dumps(index))):  # as another process gets it
        assert draw() == drawn
    with random_numbers_of(SeededIndex(3, 2**62 + 1)):
        assert not set(draw()) & set(drawn)
    with random_numbers_of(3):
        torch.rand(())
    assert not is_untouched()


def test_a_seeded_sampler_keeps_the_order_and_draws_nothing():
    before = torch.get_rng_state()
    sampler = SeededSampler(SequentialSampler(range(4)), 1)
    first, second = list(sampler), list(sampler)
    assert first == second == [0, 1, 2, 3]
    assert len({index.seed for index in first + second}) == 8
    again = sampler.seeds_for(SequentialSampler(range(9)), 0)
    assert [index.seed for index in again][:4] == [index.seed for index in first]
    assert torch.equal(torch.get_rng_state(), before)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4), st.integers(0, 3))
def test_parts_of_a_seed_do_not_run_together(parts, place):
    changed = [*parts]
    changed[place % len(parts)] += 1
    assert 0 <= seed_of(*parts) < 2**63
    assert seed_of(*parts) not in {seed_of(*changed), seed_of(*parts, 0)}


def test_seeds_are_the_same_on_every_machine():
    assert seed_of(1, 0, 0, 5) == 6384099832655963935


def test_other_wrappers_are_loaded_as_ever(make_cfg):
    class Other(Dataset):
        def __init__(self, cfg, data_source, transform=None, is_train=False):
            self.items = data_source

        def __len__(self):
            return len(self.items)

        def __getitem__(self, index):
            return {"img": torch.rand(1)}

    batches = loader(make_cfg, 1, wrapper=Other)
    assert not batches.persistent_workers and batches.generator is None
    assert not isinstance(batches.sampler, SeededSampler)

    class Derived(DatasetWrapper):
        def __len__(self):
            return 5

    assert isinstance(loader(make_cfg, 0, wrapper=Derived).sampler, SeededSampler)

    class ReadsItself(DatasetWrapper):
        def __getitem__(self, index):
            return {"img": torch.rand(1)}

    assert not isinstance(loader(make_cfg, 0, wrapper=ReadsItself).sampler, SeededSampler)
