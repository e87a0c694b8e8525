"""Augmentation belongs to the place in an epoch, whichever process loads the image."""

import contextlib
import multiprocessing
import os
import pickle
import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, SequentialSampler

from dassl.data import DatasetWrapper
from dassl.data.data_manager import build_data_loader
from dassl.data.datasets import build_dataset
from dassl.data.seeded import SeededIndex, SeededSampler, random_numbers_of
from dassl.data.transforms import build_transform
from dassl.utils import set_random_seed
from dassl.utils.plain_state import get_rng_state, set_rng_state

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")  # one core


def loader(make_cfg, workers, *, is_train=True, tfm=None, wrapper=None):
    cfg = make_cfg("DATALOADER.NUM_WORKERS", workers)
    return build_data_loader(
        cfg,
        sampler_type="RandomSampler" if is_train else "SequentialSampler",
        data_source=build_dataset(cfg).train_x,
        batch_size=5,
        tfm=tfm or build_transform(cfg),
        is_train=is_train,
        dataset_wrapper=wrapper,
    )


def epoch(batches):
    return torch.cat([batch["img"] for batch in batches])


@pytest.mark.parametrize("workers", [1, 2])
def test_every_epoch_is_the_same_with_any_number_of_processes(make_cfg, workers):
    torch.manual_seed(1)
    alone = loader(make_cfg, 0)
    expected = [epoch(alone) for _ in range(3)]
    after = torch.get_rng_state()
    assert not torch.equal(expected[0].sort(dim=0).values, expected[1].sort(dim=0).values)
    torch.manual_seed(1)
    several = loader(make_cfg, workers)
    assert all(torch.equal(epoch(several), images) for images in expected)
    assert torch.equal(torch.get_rng_state(), after)


def test_new_processes_go_on_where_others_were_stopped(make_cfg):
    torch.manual_seed(1)
    first = loader(make_cfg, 2)
    epoch(first)
    state = get_rng_state()
    expected = epoch(first)
    set_rng_state(state)
    assert torch.equal(epoch(loader(make_cfg, 2)), expected)


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


def test_a_seeded_sampler_keeps_the_order_and_draws_once():
    torch.manual_seed(0)
    first, second = (list(SeededSampler(SequentialSampler(range(4)))) for _ in range(2))
    assert first == second == [0, 1, 2, 3]
    assert len({index.seed for index in first + second}) == 8
    torch.manual_seed(0)
    torch.empty((), dtype=torch.int64).random_()
    torch.empty((), dtype=torch.int64).random_()
    state = torch.get_rng_state()
    torch.manual_seed(0)
    for _ in range(2):
        list(SeededSampler(SequentialSampler(range(4))).seeds_for(SequentialSampler(range(9))))
    assert torch.equal(torch.get_rng_state(), state)


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
