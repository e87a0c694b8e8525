"""Our trainers in another repository of CoOp's layout, beside its own.

    from promptkit import plugin    # at the top of its train.py

    plugin.extend_cfg(cfg)          # in its setup_cfg, before it merges any file

Then `--trainer E2MIM` runs there, on the repository's data sets, few-shot picks, folders and
scripts, with Dassl or with the engine of this project. `python -m promptkit.recipes` prints the
paths of the config files.
"""

import importlib
from types import ModuleType

from yacs.config import CfgNode

from dassl.engine import TRAINER_REGISTRY
from promptkit.clone import HOME, IS_CLONE, from_clone
from promptkit.did_you_mean import did_you_mean
from promptkit.registry import INSTALLED, TRAINERS
from promptkit.runs.merged_config import add_missing, trainer_keys


def register(*names: str) -> None:
    """Registers our trainers with Dassl: those named, or all.

    A name that is registered already is left alone, and said: the repository's own trainer stays.

    Raises:
        ImportError: promptkit is not installed.
        ValueError: there is no such trainer.
    """
    _import_trainers()
    _check(names)
    taken = {}
    for name in names or TRAINERS:
        theirs = _registered(name)
        if theirs is None:
            TRAINER_REGISTRY.register(TRAINERS[name])
        elif theirs is not TRAINERS[name]:
            taken[name] = theirs.__module__
    if taken:
        listed = ", ".join(f"{name} ({module})" for name, module in taken.items())
        print(f"promptkit leaves the trainers alone that are registered already: {listed}")


def extend_cfg(cfg: CfgNode) -> None:
    """Adds our keys to a config with those of the repository, which stay as they are.

    Registers all our trainers, unless `register` has chosen some before. Call it behind the imports
    of the repository's trainers, and before files or arguments are merged.

    Raises:
        ImportError: promptkit is not installed.
        ValueError: the config is frozen, or uses a name of ours for something else.
    """
    if cfg.is_frozen():
        raise ValueError(
            "plugin.extend_cfg(cfg) comes too late, the config is frozen. Call it where the "
            "repository adds its own keys, before it merges any file."
        )
    if not _ours():
        register()
    add_missing(cfg, trainer_keys(_ours()))


def register_ours() -> list[ModuleType]:
    """Registers what comes with promptkit, for its commands; returns the modules with trainers.

    In a clone that is also its data sets. Where promptkit is installed there are none.
    """
    trainers = from_clone("trainers")
    if trainers is None:
        register()
        return importlib.import_module(INSTALLED).MODULES
    from_clone("datasets")
    return trainers.MODULES


def _import_trainers() -> None:
    """Fills TRAINERS."""
    try:
        importlib.import_module(INSTALLED)
    except ModuleNotFoundError as error:
        if error.name != INSTALLED or not IS_CLONE:
            raise
        raise ImportError(
            f"promptkit was found in a clone, {HOME}, where its trainers are not part of it. "
            f"Install it: pip install {HOME}"
        ) from None


def _check(names: tuple[str, ...]) -> None:
    for name in names:
        if name not in TRAINERS:
            hint = did_you_mean(name, TRAINERS)
            raise ValueError(
                f"promptkit has the trainers {', '.join(sorted(TRAINERS))}; got '{name}'.{hint}"
            )


def _registered(name: str) -> type | None:
    return TRAINER_REGISTRY.get(name) if name in TRAINER_REGISTRY.registered_names() else None


def _ours() -> list[type]:
    return [trainer for name, trainer in TRAINERS.items() if _registered(name) is trainer]
