"""Opens a CLIP by OpenAI name, by path, or `Pocket`: always fp32, frozen, on the CPU."""

import difflib
import hashlib
import os
import warnings
import zipfile

import clip
import torch
from clip.model import CLIP, build_model
from torch import Tensor

from promptkit import manifest

POCKET = "Pocket"


def load_clip(name: str) -> CLIP:
    """Loads CLIP for `MODEL.BACKBONE.NAME`.

    Args:
        name: an OpenAI name ("RN50" ... "ViT-L/14@336px"; the `clip` package downloads it to
            ~/.cache/clip and checks its checksum), a path to a local file (JIT archive or state
            dict, as OpenAI ships them), or "Pocket".

    Raises:
        ValueError: the name is unknown, its download failed, or the file holds no whole CLIP.
        FileNotFoundError: the pocket weights are missing.
    """
    if name in clip.available_models():
        model = _download(name)
    else:
        model = _open(_local_path(name))
    return model.float().eval().requires_grad_(False)


def backbone_checksum(name: str) -> str | None:
    """sha256 of a local weights file; None for OpenAI's, which the `clip` package checks."""
    return next(map(manifest.checksum, local_weights(name)), None)


def local_weights(name: str) -> list[str]:
    """The path of a local weights file; empty for OpenAI's names."""
    return [] if name in clip.available_models() else [_local_path(name)]


def _download(name: str) -> CLIP:
    try:
        return clip.load(name, device="cpu")[0]
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"The weights of {name} could not be had ({error}). They are downloaded to "
            "~/.cache/clip and checked there. Try again with a connection, delete a damaged file, "
            "or set MODEL.BACKBONE.NAME to the path of a weights file, or to Pocket."
        ) from error


def _open(path: str) -> CLIP:
    """CLIP from a JIT archive or from a file of plain tensors."""
    try:
        state = _read_state(path)
        model = build_model(dict(state)).float()  # in half precision at first, hence once more:
        sizes = ("input_resolution", "context_length", "vocab_size")
        model.load_state_dict({key: value for key, value in state.items() if key not in sizes})
    except Exception as error:  # a damaged file can fail in any way
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise ValueError(
            f"The weights file {path} cannot be read ({type(error).__name__}: {reason}). It must "
            "be a CLIP as OpenAI ships them: a TorchScript archive or a state dict of plain "
            "tensors. If it was downloaded, it may be cut short: delete it and fetch it again."
        ) from error
    return model


def _local_path(name: str) -> str:
    if name == POCKET:
        from pocket.weights import weights_path

        return weights_path()
    path = os.path.expanduser(name)
    if os.path.isfile(path):
        return path
    known = [POCKET, *clip.available_models()]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise ValueError(
        f"MODEL.BACKBONE.NAME must be one of {', '.join(known)}, or the path of a weights file; "
        f"got '{name}'.{hint}"
    )


def _read_state(path: str) -> dict[str, Tensor]:
    if _is_jit_archive(path):
        with warnings.catch_warnings():  # deprecated, but OpenAI's files are of this kind
            warnings.simplefilter("ignore", FutureWarning)
            return dict(torch.jit.load(path, map_location="cpu").state_dict())
    state = torch.load(path, map_location="cpu", weights_only=True)
    wanted = {"token_embedding.weight", "text_projection", "logit_scale"}
    missing = wanted - set(state if isinstance(state, dict) else ())
    if missing:
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return state


def _is_jit_archive(path: str) -> bool:
    """Whether a file is a zip with TorchScript code in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def weights_hash(model: CLIP) -> str:
    """sha256 over names and values of all tensors: the same for every file format of a model."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_input_size(model: CLIP, size: tuple[int, int]) -> None:
    """Raises ValueError unless `INPUT.SIZE` is the resolution that the backbone was trained at."""
    expected = model.visual.input_resolution
    if tuple(size) != (expected, expected):
        raise ValueError(
            f"INPUT.SIZE must be the backbone's resolution, ({expected}, {expected}); got "
            f"{tuple(size)}. Set INPUT.SIZE in the trainer's config file."
        )
