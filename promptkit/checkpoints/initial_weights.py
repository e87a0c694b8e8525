"""MODEL.INIT_WEIGHTS: what is trained starts from the tensors of an earlier checkpoint."""

import os

from torch import nn

from dassl.utils import load_checkpoint
from promptkit.backbones.backbone import Backbone
from promptkit.backbones.state_dicts import state_dict_of
from promptkit.checkpoints.published_keys import published_state


def load_initial_weights(learner: nn.Module, path: str, clip_model: Backbone) -> None:
    """Puts a checkpoint's tensors into `learner` where name and shape fit, and names the others.

    As the published trainers do, but that a file in which nothing fits is refused.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint, or nothing in it fits.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"MODEL.INIT_WEIGHTS: there is no file {path}. Give the path of a checkpoint "
            "(model.pth.tar-...), or leave the key out."
        )
    state = published_state(
        learner, state_dict_of(load_checkpoint(path), path), clip_model, path=path
    )
    own = learner.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        wanted = ", ".join(f"{key} {tuple(value.shape)}" for key, value in own.items())
        there = ", ".join(f"{key} {tuple(value.shape)}" for key, value in state.items())
        raise ValueError(
            f"MODEL.INIT_WEIGHTS: nothing in {path} fits what this run trains ({wanted}); it holds "
            f"{there or 'nothing'}. Give a checkpoint of the same method and sizes."
        )
    learner.load_state_dict({**own, **fitting})
    print(f"Initial weights from {path}: {', '.join(fitting)}")
    left = sorted(set(state) - set(fitting))
    if left:
        print(f"Not taken, of another name or shape: {', '.join(left)}")
    if len(fitting) < len(own):
        print(f"As without them: {', '.join(key for key in own if key not in fitting)}")
