"""Building optimizers from the OPTIM node."""

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from dassl.optim.radam import RAdam

AVAI_OPTIMS = ["adam", "amsgrad", "sgd", "rmsprop", "radam", "adamw"]


def build_optimizer(
    model: nn.Module | Iterable[Any],
    optim_cfg: CfgNode,
    param_groups: Iterable[Any] | None = None,
) -> torch.optim.Optimizer:
    """Build the optimizer `optim_cfg.NAME`.

    Args:
        model: a module, or its parameters or parameter groups.
        optim_cfg: the OPTIM node.
        param_groups: parameters or groups to use in place of the model's; STAGED_LR is then
            ignored with a warning.

    Raises:
        ValueError: unknown name, or STAGED_LR names a layer the model does not have.
        TypeError: STAGED_LR without a module.
    """
    name = optim_cfg.NAME
    if name not in AVAI_OPTIMS:
        raise ValueError(f"optim must be one of {AVAI_OPTIMS}, but got {name}")
    if param_groups is not None:
        if optim_cfg.STAGED_LR:
            warnings.warn(
                "OPTIM.STAGED_LR has no effect when param_groups are given: "
                "set the learning rates in the groups.",
                stacklevel=2,
            )
        params = param_groups
    elif optim_cfg.STAGED_LR:
        params = _staged_groups(model, optim_cfg)
    else:
        params = model.parameters() if isinstance(model, nn.Module) else model
    return _make(name, params, optim_cfg)


def _make(name: str, params: Iterable[Any], optim_cfg: CfgNode) -> torch.optim.Optimizer:
    common = {"lr": optim_cfg.LR, "weight_decay": optim_cfg.WEIGHT_DECAY}
    betas = (optim_cfg.ADAM_BETA1, optim_cfg.ADAM_BETA2)
    if name == "sgd":
        return torch.optim.SGD(
            params,
            momentum=optim_cfg.MOMENTUM,
            dampening=optim_cfg.SGD_DAMPNING,
            nesterov=optim_cfg.SGD_NESTEROV,
            **common,
        )
    if name == "rmsprop":
        return torch.optim.RMSprop(
            params, momentum=optim_cfg.MOMENTUM, alpha=optim_cfg.RMSPROP_ALPHA, **common
        )
    if name == "radam":
        return RAdam(params, betas=betas, **common)
    if name == "adamw":
        return torch.optim.AdamW(params, betas=betas, **common)
    return torch.optim.Adam(params, betas=betas, amsgrad=name == "amsgrad", **common)


def _staged_groups(model: Any, optim_cfg: CfgNode) -> list[dict[str, Any]]:
    """Return the old layers at LR * BASE_LR_MULT, then the NEW_LAYERS at LR."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"OPTIM.STAGED_LR True needs an nn.Module as model; got {type(model).__name__}. "
            "Give the module, or set STAGED_LR False."
        )
    if isinstance(model, nn.DataParallel):
        model = model.module
    new_layers = optim_cfg.NEW_LAYERS
    new_layers = [new_layers] if isinstance(new_layers, str) else list(new_layers)
    if not new_layers:
        warnings.warn("OPTIM.NEW_LAYERS is empty: all layers get LR * BASE_LR_MULT.", stacklevel=3)
    children = dict(model.named_children())
    for name in new_layers:
        if name not in children:
            raise ValueError(
                f'OPTIM.NEW_LAYERS names "{name}", which is no layer of the model. '
                f"Its layers: {', '.join(children)}."
            )
    base: list[nn.Parameter] = []
    new: list[nn.Parameter] = []
    for name, child in children.items():
        (new if name in new_layers else base).extend(child.parameters())
    return [
        {"params": base, "lr": optim_cfg.LR * optim_cfg.BASE_LR_MULT},
        {"params": new},
    ]
