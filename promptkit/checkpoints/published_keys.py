"""State dicts in the names of the published code, for learners that are built otherwise inside.

The authors' code loads with `strict=False`: a checkpoint in other names would be read without a
word, and prompts that nobody trained would be tested.
"""

from collections.abc import MutableMapping
from typing import Any

import torch
from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone

# What the authors' checkpoints hold besides: embeddings of the class list, and the whole of CLIP.
CLASS_BUFFERS = ("token_prefix", "token_suffix", "token_midfix", "prompt_embeddings",
                 "token_embedding", "tokenized_prompts")  # fmt: skip
FROZEN = ("image_encoder.", "text_encoder.", "logit_scale", "prompt_learner.ZS_image_encoder.")


def use_published_keys(learner: nn.Module) -> None:
    """Makes `learner` save under the keys of its `published_names`, and load these as well as ours.

    A learner without `published_names` has the published keys already.
    """
    if getattr(learner, "published_names", None):
        learner.register_state_dict_post_hook(_to_published)
        learner.register_load_state_dict_pre_hook(_from_published)


def _to_published(
    learner: nn.Module, state: MutableMapping[str, Any], prefix: str, metadata: Any
) -> None:
    for ours, theirs in learner.published_names.items():
        if prefix + ours in state:
            state[prefix + theirs] = state.pop(prefix + ours)


def _from_published(
    learner: nn.Module, state: MutableMapping[str, Any], prefix: str, *_: Any
) -> None:
    for ours, theirs in learner.published_names.items():
        if prefix + theirs in state:
            state[prefix + ours] = state.pop(prefix + theirs)


def published_state(
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
        if key in names or key in names.values():
            kept[names.get(key, key)] = value
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
