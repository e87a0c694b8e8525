"""The registry of trainers."""

from typing import Any

from yacs.config import CfgNode

from dassl.utils import Registry, build_registered

TRAINER_REGISTRY = Registry("TRAINER")


def build_trainer(cfg: CfgNode) -> Any:
    """Build the trainer `cfg.TRAINER.NAME`.

    Raises:
        ValueError: nothing is registered under that name.
    """
    announce = "Loading trainer" if cfg.VERBOSE else ""
    return build_registered(TRAINER_REGISTRY, cfg.TRAINER.NAME, cfg, announce=announce)
