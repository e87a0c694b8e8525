"""Loads what was trained, from our checkpoints and from the authors' old ones."""

import os

import torch
from torch import Tensor, nn

from dassl.utils import load_checkpoint
from promptkit.backbones.backbone import Backbone
from promptkit.backbones.state_dicts import state_dict_of
from promptkit.runs import manifest
from promptkit.runs.model_files import file_name

# What the authors' checkpoints hold besides: embeddings of the class list, and the whole of CLIP.
CLASS_BUFFERS = ("token_prefix", "token_suffix", "token_midfix")
FROZEN = ("image_encoder.", "text_encoder.", "logit_scale", "prompt_learner.ZS_image_encoder.")


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
) -> None:
    """Loads what was trained from `directory/<name>/model.pth.tar-<epoch>`.

    Args:
        learner: the module that holds it.
        name: the name it is registered under.
        directory: a run folder, ours or one in the layout of the published code.
        epoch: None takes the best on validation.
        trainer: name of the trainer that loads.
        clip_model: the CLIP that it tunes.
        weights_sha256: its hash.
        bound_to: the classes at hand, for a learner that fits only the classes of its training.

    Raises:
        FileNotFoundError: the file is missing; the message lists the epochs that are there.
        ValueError: the run is another trainer's, on another CLIP or on classes that do not fit, the
            file holds no state dict, or keys or shapes do not fit.
    """
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
    path = _file(directory, name, epoch)
    content = load_checkpoint(path)
    saved = state_dict_of(content, path)
    _check_classes(content.get("run"), bound_to, path=path, trainer=trainer)
    print(f'Loading weights to {name} from "{path}" (epoch = {content.get("epoch")})')
    state = from_published(learner, saved, clip_model, path=path)
    load_exactly(learner, state, path=path)


def _check_classes(run: object, bound_to: list[str] | None, *, path: str, trainer: str) -> None:
    """Equal numbers of classes are not enough: a context of one class says nothing of another."""
    theirs = run.get("classnames") if isinstance(run, dict) else None  # in others' it may be a name
    if bound_to is None or not isinstance(theirs, list) or not theirs or theirs == bound_to:
        return
    raise ValueError(
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


def from_published(
    learner: nn.Module, state: dict[str, Tensor], clip_model: Backbone, *, path: str
) -> dict[str, Tensor]:
    """A state dict in the published names, without what is not trained; says what it leaves out.

    A learner may have `published_names`, the names of its parameters and those of the published
    code, which it saves (see `published_keys`; runs that are older than this saved the former), and
    `published_unused`, beginnings of keys that the published code saves and never uses.

    Raises:
        ValueError: the whole CLIP in the file is another than `clip_model`.
    """
    names = getattr(learner, "published_names", {})
    unused = getattr(learner, "published_unused", ())
    _check_frozen(state, clip_model, path=path)
    kept, of_classes, num_frozen, num_unused = {}, [], 0, 0
    for key, value in state.items():
        if key in names:
            kept[names[key]] = value
        elif key.rsplit(".", 1)[-1] in CLASS_BUFFERS:
            of_classes.append(key)
        elif key.startswith(FROZEN) and "VPT" not in key:  # a prompt too many is no frozen tensor
            num_frozen += 1
        elif key.startswith(tuple(unused)):
            num_unused += 1
        else:
            kept[key] = value
    if of_classes:
        print(f"Ignoring {', '.join(of_classes)}: they belong to the class list of training")
    if num_frozen:
        print(f"Ignoring {num_frozen} tensors of CLIP itself, which is frozen")
    if num_unused:
        print(f"Ignoring {num_unused} tensors that the published code saves and never uses")
    return kept


def _check_frozen(state: dict[str, Tensor], clip_model: Backbone, *, path: str) -> None:
    """Compares one tensor of the image encoder, which differs between all CLIPs."""
    theirs, own = state.get("image_encoder.conv1.weight"), getattr(clip_model.visual, "conv1", None)
    if theirs is None:
        return
    ours = torch.empty(0) if own is None else own.weight
    same = theirs.shape == ours.shape
    # PromptSRC's averaging over epochs rounds the frozen weights, too, in half precision.
    if not same or not torch.allclose(theirs.float(), ours.float().cpu(), rtol=0.02, atol=1e-3):
        raise ValueError(
            f"{path} holds the whole of a CLIP that is another than this run's. Prompts fit only "
            "the CLIP they were trained on: set MODEL.BACKBONE.NAME (--backbone) to it."
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
