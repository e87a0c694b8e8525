"""The configuration tree and the ways to fill it."""

from yacs.config import CfgNode

from dassl.config.defaults import make_defaults
from dassl.config.merge import merge_opts, merge_tree
from dassl.config.yaml_files import read_yaml

__all__ = [
    "clean_cfg",
    "get_cfg_default",
    "merge_opts",
    "merge_tree",
    "read_yaml",
]

_DEFAULTS = make_defaults()


def get_cfg_default() -> CfgNode:
    """Return a fresh copy of the default configuration."""
    return _DEFAULTS.clone()


def clean_cfg(cfg: CfgNode, trainer: str) -> None:
    """Delete the nodes of other trainers, in place.

    Args:
        cfg: the configuration; only `cfg.TRAINER` changes.
        trainer: name of the trainer to keep; its node is the upper-cased name.
    """
    for key in list(cfg.TRAINER.keys()):
        if key not in ("NAME", trainer.upper()):
            cfg.TRAINER.pop(key)
