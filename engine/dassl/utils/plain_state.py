"""Training state as plain numbers, lists, dictionaries and tensors.

Only such values are read back by `torch.load(..., weights_only=True)` on every version of torch.
"""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR

FROM_OBJECT = "from_object"  # key that marks a state taken from a pickled scheduler

# What a schedule needs to go on; the rest of an old pickled scheduler is the optimizer's copy.
_SCHEDULE_FIELDS = (
    "last_epoch",
    "base_lrs",
    "_last_lr",
    "_step_count",
    "T_max",
    "eta_min",
    "step_size",
    "gamma",
    "milestones",
)


def to_plain(value: Any) -> Any:
    """Copy nested containers into dicts, lists and tuples; numpy scalars into Python numbers."""
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(to_plain(item) for item in value)
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def schedule_fields(scheduler: Any) -> dict[str, Any]:
    """Return the plain fields of a scheduler object, real or stood in for, marked as such."""
    fields = vars(scheduler)
    state = {name: to_plain(fields[name]) for name in _SCHEDULE_FIELDS if name in fields}
    return {FROM_OBJECT: True, **state}


def scheduler_state(scheduler: LRScheduler) -> dict[str, Any]:
    """Return a scheduler's state as plain values."""
    return to_plain(scheduler.state_dict())


def load_scheduler_state(scheduler: LRScheduler, state: Mapping[str, Any]) -> None:
    """Put a state made by `scheduler_state`, or an upstream one, into `scheduler`."""
    state = {key: value for key, value in state.items() if key != FROM_OBJECT}
    if isinstance(scheduler, MultiStepLR) and "milestones" in state:
        # torch counts repeated milestones with a Counter; a plain dict would break it later.
        state["milestones"] = Counter(state["milestones"])
    scheduler.load_state_dict(state)


def get_rng_state() -> dict[str, Any]:
    """Return the state of the global generators of python, numpy and torch as plain values."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    state = {
        "python": {
            "version": version,
            "words": torch.tensor(words, dtype=torch.int64),
            "gauss": gauss,
        },
        "numpy": {
            "name": str(name),
            "keys": torch.from_numpy(keys.astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Put the global generators into a state made by `get_rng_state`.

    Raises:
        ValueError: it is not such a state.
    """
    try:
        _set_rng_state(state)
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"not a state of the random generators ({error})") from error


def _set_rng_state(state: Mapping[str, Any]) -> None:
    python, numpy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    keys = numpy["keys"].numpy().astype(np.uint32)
    np.random.set_state(
        (numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["cached"])
    )
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available():
        # The run may go on with fewer devices than it began with.
        for device, cuda in enumerate(state.get("cuda", [])[: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(cuda.cpu(), device)
