"""The registry of data sets."""

from typing import Any

from yacs.config import CfgNode

from dassl.utils import Registry, check_availability

DATASET_REGISTRY = Registry("DATASET")


def build_dataset(cfg: CfgNode) -> Any:
    """Build the data set `cfg.DATASET.NAME`.

    Raises:
        ValueError: nothing is registered under that name.
    """
    name = cfg.DATASET.NAME
    check_availability(name, DATASET_REGISTRY.registered_names())
    if cfg.VERBOSE:
        print(f"Loading dataset: {name}")
    return DATASET_REGISTRY.get(name)(cfg)
