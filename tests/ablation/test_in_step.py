"""Trainers in step learn what each learns by itself."""

import pytest
import torch

import train
from ablation.in_step import train_in_step
from dassl.engine import TRAINER_REGISTRY
from dassl.utils import set_random_seed

E2MIM = "TRAINER.E2MIM."


@pytest.fixture
def together(tiny_argv):
    """Builds trainers on the first one's CLIP."""

    def build(*runs: tuple) -> list:
        trainers = []
        for number, (name, *extra) in enumerate(runs):
            argv = tiny_argv(name, *extra, "FEATURES.VIEWS", 1, output=f"step{number}")
            cfg = train.setup_cfg(train.parse_args(argv))
            set_random_seed(cfg.SEED)
            kind = TRAINER_REGISTRY.get(name)
            trainer = kind.__new__(kind)
            trainer.lender = trainers[0] if trainers else None
            trainer.__init__(cfg)
            trainers.append(trainer)
        return trainers

    return build


# Where the context is the teacher's sentence, the sign of a rounding error is a direction.
PROGRAD = ("TRAINER.PROGRAD.N_CTX", 4, "TRAINER.PROGRAD.CTX_INIT", "a photo of a")


@pytest.mark.parametrize(
    "runs",
    [
        (
            ("E2MIM", f"{E2MIM}MIX.PAIRS", "both"),
            ("E2MIM", f"{E2MIM}MI.CRITIC_LR", 0.1, "SEED", 2),
            ("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a"),
            ("KgCoOp", "OPTIM.LR", 0.01),
        ),
        (("TCP", "OPTIM.NAME", "adam"),),
        (("ProGrad", *PROGRAD), ("ProGrad", *PROGRAD, "SEED", 2, "TRAINER.PROGRAD.LAMBDA", 0.5)),
    ],
    ids=["of one loss", "class-aware", "ProGrad"],
)
def test_in_step_each_learns_what_it_learns_by_itself(tiny_trainer, together, runs):
    trainers = together(*runs)
    starts = [trainer.learner.ctx.detach().clone() for trainer in trainers]
    train_in_step(trainers)
    for number, (run, trainer, start) in enumerate(zip(runs, trainers, starts, strict=True)):
        name, *extra = run
        alone = tiny_trainer(name, *extra, "FEATURES.VIEWS", 1, output=f"alone{number}")
        alone.train()
        assert (alone.learner.ctx - start).abs().max() > 1e-3
        torch.testing.assert_close(trainer.learner.ctx, alone.learner.ctx, rtol=1e-4, atol=1e-6)
        for (key, value), other in zip(
            alone._models.items(), trainer._models.values(), strict=True
        ):
            for one, another in zip(value.parameters(), other.parameters(), strict=True):
                torch.testing.assert_close(another, one, rtol=1e-4, atol=1e-6, msg=key)


def test_what_cannot_be_in_step_is_refused(together):
    trainers = together(("CoOp",), ("CoOp", "OPTIM.MAX_EPOCH", 3))
    with pytest.raises(ValueError, match="CoOp and CoOp cannot train in step: CLIP, classes, ep"):
        train_in_step(trainers)
    trainers = together(("CoOp",), ("CoOp", "DATASET.SUBSAMPLE_CLASSES", "base"))
    with pytest.raises(ValueError, match="cannot train in step"):
        train_in_step(trainers)
