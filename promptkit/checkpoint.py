"""Loads what was trained, from our checkpoints and from the authors' old ones."""

import os

from torch import Tensor, nn

from dassl.utils import load_checkpoint
from promptkit import manifest

# Buffers in the authors' checkpoints that depend on the class list or are frozen parts of CLIP.
CLASS_BUFFERS = ("token_prefix", "token_suffix", "token_midfix")


def load_models(
    models: dict[str, nn.Module],
    directory: str,
    epoch: int | None,
    *,
    trainer: str,
    weights_sha256: str,
) -> None:
    """Loads each registered model from `directory/<name>/model.pth.tar-<epoch>`.

    Args:
        models: by registered name; none of them, nothing to load.
        directory: a run folder.
        epoch: None takes model-best.pth.tar.
        trainer: name of the trainer that loads.
        weights_sha256: hash of the CLIP that it tunes.

    Raises:
        FileNotFoundError: a file is missing; the message lists the epochs that are there.
        ValueError: the run is another trainer's or on another CLIP, or keys or shapes do not fit.
    """
    if not os.path.isdir(directory):
        raise FileNotFoundError(f"--model-dir must be a run folder; there is none at {directory}.")
    found = manifest.trainer_of(directory)
    if found not in (None, trainer):
        raise ValueError(
            f"--model-dir {directory} holds a run of {found}; this is {trainer}. Give the folder "
            f"of a {trainer} run, or --trainer {found}."
        )
    result = manifest.read_json(os.path.join(directory, manifest.RESULT)) or {}
    if result.get("weights_sha256") not in (None, weights_sha256):
        raise ValueError(
            f"--model-dir {directory} was trained on other weights (backbone "
            f"{result.get('backbone')}, hash {result['weights_sha256'][:12]}); this run's have the "
            f"hash {weights_sha256[:12]}. Prompts fit only the CLIP they were trained on: set "
            "MODEL.BACKBONE.NAME (--backbone) to it."
        )
    for name, model in models.items():
        path = _file(directory, name, epoch)
        content = load_checkpoint(path)
        if "state_dict" not in content:
            raise ValueError(f"{path} is no Dassl checkpoint: it has no 'state_dict'.")
        print(f'Loading weights to {name} from "{path}" (epoch = {content.get("epoch")})')
        load_exactly(model, content["state_dict"], path=path)


def _file(directory: str, name: str, epoch: int | None) -> str:
    folder = os.path.join(directory, name)
    file = "model-best.pth.tar" if epoch is None else f"model.pth.tar-{epoch}"
    path = os.path.join(folder, file)
    if os.path.isfile(path):
        return path
    present = sorted(os.listdir(folder if os.path.isdir(folder) else directory))
    raise FileNotFoundError(
        f'Model not found at "{path}". {"There" if os.path.isdir(folder) else directory} is: '
        f"{', '.join(present) or 'nothing'}. Choose the epoch with --load-epoch."
    )


def load_exactly(model: nn.Module, state: dict[str, Tensor], *, path: str) -> None:
    """Loads a state dict whose keys and shapes must fit, but for buffers of the class list.

    Raises:
        ValueError: a key is missing or unknown, or a shape differs.
    """
    ignored = [key for key in state if key.rsplit(".", 1)[-1] in CLASS_BUFFERS]
    if ignored:
        print(f"Ignoring {', '.join(ignored)}: they belong to the class list of training")
    state = {key: value for key, value in state.items() if key not in ignored}
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
            f"{path} does not fit this model: {'; '.join(problems)}. Trainer, number of context "
            "tokens, backbone and (for class-specific contexts) classes must be those of training."
        )
    model.load_state_dict(state)
