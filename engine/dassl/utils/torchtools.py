"""Helpers around modules and their checkpoints."""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dassl.utils.checkpoint_reader import load_checkpoint
from dassl.utils.checkpoint_writer import POINTER_NAME, save_checkpoint
from dassl.utils.plain_state import load_scheduler_state
from dassl.utils.state_dicts import describe, state_dict_of

__all__ = [
    "save_checkpoint",
    "load_checkpoint",
    "resume_from_checkpoint",
    "open_all_layers",
    "open_specified_layers",
    "count_num_param",
    "load_pretrained_weights",
    "init_network_weights",
]


def resume_from_checkpoint(
    fdir: str,
    model: nn.Module,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
) -> int:
    """Put the folder's latest checkpoint into the given objects; return the epochs done.

    Raises:
        FileNotFoundError: the folder holds no `checkpoint` file, or it names a missing file.
        ValueError: the file is not a whole checkpoint.
    """
    path, checkpoint = read_latest_checkpoint(fdir)
    return restore_checkpoint(path, checkpoint, model, optimizer, scheduler)


def read_latest_checkpoint(fdir: str) -> tuple[str, dict[str, Any]]:
    """Return path and content of the checkpoint that the folder's `checkpoint` file names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a checkpoint of a training run.
    """
    pointer = os.path.join(fdir, POINTER_NAME)
    if not os.path.isfile(pointer):
        raise FileNotFoundError(
            f'Cannot resume: the model folder "{fdir}" has no file named "{POINTER_NAME}". Write '
            "the name of the model file to resume from into it, delete the folder to train from "
            "scratch, or choose another output folder."
        )
    with open(pointer, encoding="utf-8", errors="replace") as file:
        name = file.readline().strip()
    path = os.path.join(fdir, name)
    if not name or not os.path.isfile(path):
        raise FileNotFoundError(
            f'Cannot resume: "{pointer}" names the model file "{name[:80]}", which is not in the '
            "folder. Write the name of one that is there into it, or delete the run folder to "
            "train from scratch."
        )
    return path, _read_training_state(path)


def read_checkpoint_of_epoch(fdir: str, epoch: int) -> tuple[str, dict[str, Any]]:
    """Return path and content of the checkpoint after `epoch` epochs.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a checkpoint of a training run.
    """
    path = os.path.join(fdir, f"model.pth.tar-{epoch}")
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'Cannot resume: other models of this run were last saved after epoch {epoch}, and "'
            f'{path}" is not there. Delete the run folder to train from scratch, or choose another.'
        )
    return path, _read_training_state(path)


def _read_training_state(path: str) -> dict[str, Any]:
    checkpoint = load_checkpoint(path)
    if not isinstance(checkpoint, Mapping) or not {"state_dict", "epoch"} <= checkpoint.keys():
        raise ValueError(
            f'Cannot resume from "{path}": it must be a dictionary with the keys state_dict and '
            f"epoch; got {describe(checkpoint)}."
        )
    epoch = checkpoint["epoch"]
    if type(epoch) is not int or epoch < 0:
        raise ValueError(f'Cannot resume from "{path}": its epoch must be a number; got {epoch!r}.')
    return {**checkpoint, "state_dict": state_dict_of(checkpoint["state_dict"], path)}


def restore_checkpoint(
    path: str,
    checkpoint: Mapping[str, Any],
    model: nn.Module,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
) -> int:
    """Put a loaded checkpoint into the given objects; return the epochs done.

    Raises:
        ValueError: it belongs to another model, optimizer or schedule.
    """
    print(f'Loading checkpoint from "{path}"')
    with fitting(path, "model weights"):
        model.load_state_dict(checkpoint["state_dict"])
    print("Loaded model weights")
    if optimizer is not None and checkpoint.get("optimizer") is not None:
        with fitting(path, "state of the optimizer"):
            optimizer.load_state_dict(checkpoint["optimizer"])
            _check_sizes(optimizer)
        print("Loaded optimizer")
    if scheduler is not None and checkpoint.get("scheduler") is not None:
        with fitting(path, "state of the schedule"):
            load_scheduler_state(scheduler, checkpoint["scheduler"])
        print("Loaded scheduler")
    epoch = checkpoint["epoch"]
    print(f"Previous epoch: {epoch}")
    return epoch


@contextmanager
def fitting(path: str, what: str) -> Iterator[None]:
    """Say of which checkpoint file the part `what` does not fit the object that it is put into.

    Raises:
        ValueError: it does not; torch reports that by many classes of errors.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f'"{path}": its {what} cannot be taken up ({type(error).__name__}: {reason[:300]}). '
            "It is of another model or other settings, or damaged: give the file of this one, or "
            "delete it."
        ) from error


def _check_sizes(optimizer: Optimizer) -> None:
    """Optimizers take up what is of another size, and fail at their first step."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            is_like_it = not isinstance(value, torch.Tensor) or value.ndim == 0
            if not is_like_it and value.shape != parameter.shape:
                raise ValueError(
                    f"{name} has the shape {tuple(value.shape)}, its parameter "
                    f"{tuple(parameter.shape)}"
                )


def load_pretrained_weights(model: nn.Module, weight_path: str) -> None:
    """Load the weights whose name and size fit `model`; print which were left out.

    Args:
        model: changed in place.
        weight_path: file holding a state dict, by itself or in one of the usual wrappers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no state dict.
    """
    own = model.state_dict()
    matched, discarded = {}, []
    for key, value in state_dict_of(load_checkpoint(weight_path), weight_path).items():
        if key in own and own[key].size() == value.size():
            matched[key] = value
        else:
            discarded.append(key)
    if not matched:
        warnings.warn(
            f"Cannot load {weight_path} (check the key names manually)",
            stacklevel=2,
        )
        return
    own.update(matched)
    model.load_state_dict(own)
    print(f"Successfully loaded pretrained weights from {weight_path}")
    if discarded:
        print(f"Layers discarded due to unmatched keys or size: {discarded}")


def open_all_layers(model: nn.Module) -> None:
    """Make all parameters trainable and set training mode."""
    model.train()
    for parameter in model.parameters():
        parameter.requires_grad = True


def open_specified_layers(model: nn.Module, open_layers: str | Sequence[str]) -> None:
    """Train the named children only; freeze the others and put them in evaluation mode.

    Raises:
        ValueError: the model has no child of that name.
    """
    if isinstance(model, nn.DataParallel):
        model = model.module
    names = [open_layers] if isinstance(open_layers, str) else list(open_layers)
    children = dict(model.named_children())
    for name in names:
        if name not in children:
            raise ValueError(f'The model has no layer "{name}". Its layers: {", ".join(children)}.')
    for name, child in children.items():
        child.train(name in names)
        for parameter in child.parameters():
            parameter.requires_grad = name in names


def count_num_param(
    model: nn.Module | None = None, params: Iterable[Any] | dict[str, Any] | None = None
) -> int:
    """Count the numbers in a model, or in parameters or parameter groups.

    Raises:
        ValueError: neither is given.
    """
    if model is not None:
        return sum(parameter.numel() for parameter in model.parameters())
    if params is None:
        raise ValueError("count_num_param needs model or params; got neither.")
    groups = [params] if isinstance(params, dict) else list(params)
    total = 0
    for group in groups:
        members = group["params"] if isinstance(group, dict) else [group]
        total += sum(parameter.numel() for parameter in members)
    return total


def init_network_weights(model: nn.Module, init_type: str = "normal", gain: float = 0.02) -> None:
    """Initialise convolutions and linear layers; batch norms to 1 (weight) and 0 (bias).

    Args:
        model: changed in place.
        init_type: normal, xavier, kaiming or orthogonal.
        gain: standard deviation of `normal`, gain of `xavier` and `orthogonal`.

    Raises:
        ValueError: unknown `init_type`.
    """
    rules = {
        "normal": lambda weight: nn.init.normal_(weight, 0.0, gain),
        "xavier": lambda weight: nn.init.xavier_normal_(weight, gain=gain),
        "kaiming": lambda weight: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
        "orthogonal": lambda weight: nn.init.orthogonal_(weight, gain=gain),
    }
    if init_type not in rules:
        raise ValueError(f'init_type must be one of {", ".join(rules)}; got "{init_type}".')
    for module in model.modules():
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            rules[init_type](module.weight.data)
        elif not isinstance(module, nn.modules.batchnorm._NormBase):
            continue
        elif module.weight is not None:
            nn.init.constant_(module.weight.data, 1.0)
        if module.bias is not None:
            nn.init.constant_(module.bias.data, 0.0)
