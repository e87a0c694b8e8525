"""The bank of training features stands in for the images, and disturbs nothing."""

from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import train
from promptkit.stores.feature_bank import bank_loader, encoded_view


class Noisy(Dataset):
    """Image i is the number i plus noise that every look at it draws anew."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> dict:
        return {"img": torch.full((3, 2, 2), float(index)) + torch.rand(()), "label": index % 2}


def mean_of(images: torch.Tensor) -> torch.Tensor:
    return images.mean(dim=(1, 2, 3))[:, None]


def test_without_augmentation_training_on_the_bank_is_training_on_the_images(tiny_argv):
    from dassl.engine import build_trainer
    from dassl.utils import set_random_seed

    contexts = []
    for views in (0, 1):
        argv = tiny_argv("CoOp", "FEATURES.VIEWS", views, output=f"views{views}")
        argv[argv.index("random_flip")] = "normalize"
        cfg = train.setup_cfg(train.parse_args(argv))
        set_random_seed(cfg.SEED)
        trainer = build_trainer(cfg)
        trainer.train()
        contexts.append(trainer.learner.ctx.detach())
    torch.testing.assert_close(contexts[0], contexts[1], rtol=1e-5, atol=1e-6)
    features = torch.randn(3, trainer.clip_model.embed_dim)
    assert trainer.image_features(features) is features
    with pytest.raises(ValueError, match=r"are \[B, \d+\]; got \[3, 5\]"):
        trainer.image_features(torch.randn(3, 5))


def views_of(loader, seed):
    return torch.stack([encoded_view(loader, mean_of, seed, k) for k in range(3)])


def test_views_differ_follow_the_seed_and_leave_the_random_state_alone():
    loader = DataLoader(Noisy(), batch_size=2, shuffle=True, drop_last=True)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    features = views_of(loader, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert features.shape == (3, 5, 1)
    assert torch.equal(features, views_of(loader, 1))
    assert not torch.equal(features, views_of(loader, 2))
    assert torch.equal(features.floor()[0, :, 0], torch.arange(5.0))
    assert len(features[:, 0].unique()) == 3


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")  # on one core
def test_views_are_the_same_with_any_number_of_loading_processes(tiny_argv):
    from dassl.engine import build_trainer
    from dassl.utils import set_random_seed

    banks = []
    for workers in (0, 2):
        argv = tiny_argv("CoOp", "DATALOADER.NUM_WORKERS", workers, "FEATURES.VIEWS", 2)
        cfg = train.setup_cfg(train.parse_args(argv))
        set_random_seed(cfg.SEED)
        trainer = build_trainer(cfg)
        trainer.before_train()
        trainer.close_writer()
        banks.append(trainer.train_loader_x.dataset.features)
    assert torch.equal(*banks)
    assert not torch.equal(banks[0][0], banks[0][1])


def test_batches_keep_size_order_and_draw_all_views():
    loader = DataLoader(Noisy(), batch_size=2, shuffle=True, drop_last=True)
    labels = torch.arange(5) % 2
    view = partial(encoded_view, loader, mean_of, 1)
    stored = bank_loader(loader, view, labels, views=2)
    seen = set()
    for _ in range(30):
        batches = list(stored)
        assert len(batches) == 2 and all(b["img"].shape == (2, 1) for b in batches)
        for batch in batches:
            assert torch.equal(batch["img"][:, 0].long() % 2, batch["label"])
            seen |= set(batch["img"].flatten().tolist())
    assert len(seen) == 10


@pytest.mark.parametrize(
    ("trainer", "options", "message"),
    [
        ("CoOp", ("FEATURES.VIEWS", -1), "FEATURES.VIEWS must be 0 (off) or a number of views"),
        (
            "CoOp",
            ("FEATURES.VIEWS", 1, "DATALOADER.K_TRANSFORMS", 2),
            "DATALOADER.K_TRANSFORMS must be 1; got 2",
        ),
        (
            "E2MIM",
            ("FEATURES.VIEWS", 1, "TRAINER.E2MIM.MIX.LEVEL", "pixel"),
            "Set FEATURES.VIEWS 0 or MIX.LEVEL feature",
        ),
    ],
)
def test_what_excludes_a_bank_is_said(tiny_argv, capsys, trainer, options, message):
    assert train.main(tiny_argv(trainer, *options)) == 1
    assert message in capsys.readouterr().err
