"""The registry of data sets."""

from typing import Any

from yacs.config import CfgNode

from dassl.utils import Registry, build_registered

DATASET_REGISTRY = Registry("DATASET")


def build_dataset(cfg: CfgNode) -> Any:
    """Build the data set `cfg.DATASET.NAME`.

    Raises:
        ValueError: nothing is registered under that name.
    """
    announce = "Loading dataset" if cfg.VERBOSE else ""
    return build_registered(DATASET_REGISTRY, cfg.DATASET.NAME, cfg, announce=announce)
