"""Optimizers and schedules, against traces of upstream."""

import warnings

import pytest
import torch
from torch import nn

from dassl.config import get_cfg_default
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.optim.lr_scheduler import ConstantWarmupScheduler, LinearWarmupScheduler


def optim_cfg(**values):
    cfg = get_cfg_default().OPTIM
    cfg.update({"NAME": "sgd", "LR": 0.01, "MAX_EPOCH": 5, **values})
    return cfg


def trace(epochs, **values):
    """Return the rate of each epoch."""
    cfg = optim_cfg(**values)
    optimizer = build_optimizer(nn.Linear(1, 1), cfg)
    scheduler = build_lr_scheduler(optimizer, cfg)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        assert scheduler.get_last_lr() == rates[-1:]
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"STEPSIZE": (2,)}, [0.01, 0.01, 0.001, 0.001, 0.0001]),
        ({"STEPSIZE": 2}, [0.01, 0.01, 0.001, 0.001, 0.0001]),
        (
            {"LR_SCHEDULER": "multi_step", "STEPSIZE": (1, 3)},
            [0.01, 0.001, 0.001, 0.0001, 0.0001],
        ),
        ({"STEPSIZE": (-1,)}, [0.01] * 5),
    ],
)
def test_schedules_without_warmup(values, expected):
    assert trace(5, **values) == pytest.approx(expected)


COSINE = {"LR_SCHEDULER": "cosine", "LR": 0.0035, "WARMUP_EPOCH": 1, "WARMUP_TYPE": "constant"}
COSINE_LINEAR = {"LR_SCHEDULER": "cosine", "MAX_EPOCH": 8, "WARMUP_EPOCH": 3}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (COSINE, [1e-5, 0.0035, 0.00316578, 0.00229078, 0.00120922]),
        ({**COSINE, "WARMUP_RECOUNT": False}, [1e-5, 0.0035, 0.00253262, 0.00133688, 0.0003695]),
        (
            COSINE_LINEAR,
            [1e-5, 0.00333333, 0.00666667, 0.01, 0.0096194, 0.00853553, 0.00691342, 0.005],
        ),
    ],
)
def test_warmup_traces_of_upstream(values, expected):
    assert trace(len(expected), **values) == pytest.approx(expected, rel=1e-6, abs=5e-9)


def test_closed_form_of_the_usual_setting():
    rates = trace(50, **{**COSINE, "LR": 0.002, "MAX_EPOCH": 50})
    cosine = [0.001 * (1 + torch.tensor(torch.pi * e / 50).cos().item()) for e in range(49)]
    assert rates == pytest.approx([1e-5, *cosine], rel=1e-4)
    assert rates[-1] > 0


def test_building_and_stepping_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(3, **COSINE)


@pytest.mark.parametrize("schedule", ["single_step", "multi_step", "cosine"])
@pytest.mark.parametrize("kind", [ConstantWarmupScheduler, LinearWarmupScheduler])
def test_state_is_plain_and_restores(tmp_path, schedule, kind):
    cfg = optim_cfg(
        **{"LR_SCHEDULER": schedule, "STEPSIZE": (2, 3) if schedule == "multi_step" else (2,)},
        **{"WARMUP_EPOCH": 2},
    )
    cfg.WARMUP_TYPE = "constant" if kind is ConstantWarmupScheduler else "linear"

    def build():
        optimizer = build_optimizer(nn.Linear(1, 1), cfg)
        return optimizer, build_lr_scheduler(optimizer, cfg)

    def advance(optimizer, scheduler, steps):
        rates = []
        for _ in range(steps):
            optimizer.step()
            scheduler.step()
            rates.append(optimizer.param_groups[0]["lr"])
        return rates

    optimizer, scheduler = build()
    assert type(scheduler) is kind
    advance(optimizer, scheduler, 3)
    torch.save([optimizer.state_dict(), scheduler.state_dict()], tmp_path / "state")
    expected = advance(optimizer, scheduler, 4)
    optimizer, scheduler = build()
    saved = torch.load(tmp_path / "state", weights_only=True)
    optimizer.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    assert advance(optimizer, scheduler, 4) == expected
    if schedule == "multi_step":
        assert sorted(scheduler.successor.milestones.elements()) == [2, 3]


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({"LR_SCHEDULER": "cosin"}, ValueError, "scheduler must be one of"),
        ({"LR_SCHEDULER": "multi_step", "STEPSIZE": 3}, TypeError, r"got 3 \(int\)"),
        ({"STEPSIZE": (1.5,)}, TypeError, r"got 1.5 \(float\)"),
        ({"WARMUP_EPOCH": 1, "WARMUP_TYPE": "slow"}, ValueError, 'linear, constant; got "slow"'),
    ],
)
def test_wrong_schedules(values, error, text):
    with pytest.raises(error, match=text):
        trace(1, **values)


@pytest.mark.parametrize(
    ("name", "kind", "option", "value"),
    [
        ("adam", torch.optim.Adam, "betas", (0.8, 0.99)),
        ("amsgrad", torch.optim.Adam, "amsgrad", True),
        ("adamw", torch.optim.AdamW, "betas", (0.8, 0.99)),
        ("radam", torch.optim.RAdam, "betas", (0.8, 0.99)),
        ("rmsprop", torch.optim.RMSprop, "alpha", 0.95),
        ("sgd", torch.optim.SGD, "nesterov", True),
    ],
)
def test_optimizers(name, kind, option, value):
    cfg = optim_cfg(
        NAME=name, ADAM_BETA1=0.8, ADAM_BETA2=0.99, RMSPROP_ALPHA=0.95, SGD_NESTEROV=True
    )
    model = nn.Linear(2, 1)
    for params in (model, model.parameters()):
        optimizer = build_optimizer(params, cfg)
        group = optimizer.param_groups[0]
        assert type(optimizer) is kind and group[option] == value
        assert (group["lr"], group["weight_decay"]) == (0.01, 5e-4)
        assert len(group["params"]) == 2
    if name in ("sgd", "rmsprop"):
        assert group["momentum"] == 0.9


def test_unknown_optimizer():
    with pytest.raises(ValueError, match="optim must be one of .*'adamw'.*, but got lion"):
        build_optimizer(nn.Linear(1, 1), optim_cfg(NAME="lion"))


class TwoParts(nn.Module):
    def __init__(self):
        super().__init__()
        self.classifier = nn.Linear(1, 1)
        self.backbone = nn.Linear(1, 1)


@pytest.mark.parametrize("new_layers", [("classifier",), ["classifier"], "classifier"])
def test_staged_lr_puts_the_base_group_first(new_layers):
    model = TwoParts()
    optimizer = build_optimizer(model, optim_cfg(STAGED_LR=True, NEW_LAYERS=new_layers))
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.001, 0.01])
    assert optimizer.param_groups[1]["params"][0] is model.classifier.weight


def test_staged_lr_errors():
    cfg = optim_cfg(STAGED_LR=True, NEW_LAYERS=("head",))
    with pytest.raises(TypeError, match="needs an nn.Module"):
        build_optimizer(list(TwoParts().parameters()), cfg)
    with pytest.raises(ValueError, match='"head".*Its layers: classifier, backbone'):
        build_optimizer(TwoParts(), cfg)
    with pytest.warns(UserWarning, match="STAGED_LR has no effect"):
        optimizer = build_optimizer(TwoParts(), cfg, [{"params": [nn.Parameter(torch.ones(1))]}])
    assert len(optimizer.param_groups) == 1
