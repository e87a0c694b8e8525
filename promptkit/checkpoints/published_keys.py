"""State dicts in the names of the published code, for learners that are built otherwise inside.

The authors' code loads with `strict=False`: a checkpoint in other names would be read without a
word, and prompts that nobody trained would be tested.
"""

from collections.abc import MutableMapping
from typing import Any

from torch import nn


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
