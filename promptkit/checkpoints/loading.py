"""Loads what was trained, from our checkpoints and from the authors' old ones."""

import os
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dassl.utils import load_checkpoint
from promptkit.backbones.backbone import Backbone
from promptkit.backbones.state_dicts import state_dict_of
from promptkit.checkpoints.published_keys import published_state
from promptkit.runs import manifest
from promptkit.runs.model_files import file_name


class Trained(NamedTuple):
    """What a checkpoint was trained on: the registered data set and its classes, if it says so."""

    dataset: str = ""
    classnames: tuple[str, ...] = ()


class OtherClasses(ValueError):
    """What was trained belongs to classes that are not those at hand."""


def load_learner(
    learner: nn.Module,
    name: str,
    directory: str,
    epoch: int | None,
    *,
    trainer: str,
    clip_model: Backbone,
    weights_sha256: str,
    bound_to: list[str] | None = None,
    sized_by_data: tuple[str, ...] = (),
) -> Trained:
    """Loads what was trained from `directory/<name>/model.pth.tar-<epoch>`.

    Returns:
        The data set and the classes of its training.

    Args:
        learner: the module that holds it.
        name: the name it is registered under.
        directory: a run folder, ours or one in the layout of the published code.
        epoch: None takes the best on validation.
        trainer: name of the trainer that loads.
        clip_model: the CLIP that it tunes.
        weights_sha256: its hash.
        bound_to: the classes at hand, for a learner that fits only the classes of its training.
        sized_by_data: names of the learner's tensors that are as large as the file's.

    Raises:
        FileNotFoundError: the file is missing; the message lists the epochs that are there.
        OtherClasses: it was trained on classes other than `bound_to`.
        ValueError: the run is another trainer's or on another CLIP, the file holds no state dict,
            or keys or shapes do not fit.
    """
    _check_run(directory, trainer, weights_sha256)
    path = _file(directory, name, epoch)
    content = load_checkpoint(path)
    saved = state_dict_of(content, path)
    run = content.get("run")  # in others' files it may be a name
    trained_on = _trained(run)
    if bound_to is not None and trained_on.classnames and list(trained_on.classnames) != bound_to:
        raise OtherClasses(_wrong_classes(run, bound_to, path=path, trainer=trainer))
    print(f'Loading weights to {name} from "{path}" (epoch = {content.get("epoch")})')
    state = published_state(learner, saved, clip_model, path=path)
    for key in sized_by_data:
        if key in state:
            getattr(learner, key).data = torch.empty_like(state[key], device=_device(learner))
    load_exactly(learner, state, path=path)
    return trained_on


def _trained(run: object) -> Trained:
    names = run.get("classnames") if isinstance(run, dict) else None
    if not isinstance(names, list):
        return Trained()
    return Trained(str(run.get("dataset") or ""), tuple(names))


def _check_run(directory: str, trainer: str, weights_sha256: str) -> None:
    """The folder is there, and of this trainer on this CLIP."""
    if not os.path.isdir(directory):
        raise FileNotFoundError(f"--model-dir must be a run folder; there is none at {directory}.")
    found = manifest.trainer_of(directory)
    if found not in (None, trainer):
        raise ValueError(
            f"--model-dir {directory} holds a run of {found}; this is {trainer}. Give the folder "
            f"of a {trainer} run, or --trainer {found}."
        )
    result = manifest.read_result(directory) or {}
    if result.get("weights_sha256") not in (None, weights_sha256):
        raise ValueError(
            f"--model-dir {directory} was trained on other weights (backbone "
            f"{result.get('backbone')}, hash {result['weights_sha256'][:12]}); this run's have the "
            f"hash {weights_sha256[:12]}. Prompts fit only the CLIP they were trained on: set "
            "MODEL.BACKBONE.NAME (--backbone) to it."
        )


def _device(module: nn.Module) -> torch.device:
    return next(iter(module.state_dict().values())).device


def _wrong_classes(run: dict, bound_to: list[str], *, path: str, trainer: str) -> str:
    """Equal numbers of classes are not enough: a context of one class says nothing of another."""
    theirs = run["classnames"]
    return (
        f"{path} was trained on {len(theirs)} classes of {run.get('dataset')} "
        f"({run.get('subset')}: {theirs[0]}, ...), and what {trainer} trains with "
        "these settings belongs to its classes; "
        f"here are {len(bound_to)} others ({bound_to[0]}, ...). Evaluate it on the classes of its "
        "training, or train a method that shares its prompt between classes."
    )


def _file(directory: str, name: str, epoch: int | None) -> str:
    folder = os.path.join(directory, name)
    path = os.path.join(folder, file_name(epoch))
    if os.path.isfile(path):
        return path
    present = sorted(os.listdir(folder if os.path.isdir(folder) else directory))
    raise FileNotFoundError(
        f'Model not found at "{path}". {"There" if os.path.isdir(folder) else directory} is: '
        f"{', '.join(present) or 'nothing'}. Choose the epoch with --load-epoch."
    )


def load_exactly(model: nn.Module, state: dict[str, Tensor], *, path: str) -> None:
    """Loads a state dict whose keys and shapes must fit.

    Raises:
        ValueError: a key is missing or unknown, or a shape differs.
    """
    wanted = model.state_dict()
    problems = [f"'{key}' is missing" for key in wanted if key not in state]
    problems += [f"'{key}' is unknown" for key in state if key not in wanted]
    problems += [
        f"'{key}' has shape {tuple(state[key].shape)}, expected {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    if problems:
        raise ValueError(
            f"{path} does not fit this model: {'; '.join(problems)}. Trainer, number and depth of "
            "the prompts, backbone and (for class-specific contexts) classes must be those of "
            "training."
        )
    model.load_state_dict(state)
