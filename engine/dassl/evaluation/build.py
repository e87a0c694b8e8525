"""The registry of evaluators."""

from typing import Any

from yacs.config import CfgNode

from dassl.utils import Registry, build_registered

EVALUATOR_REGISTRY = Registry("EVALUATOR")


def build_evaluator(cfg: CfgNode, **kwargs: Any) -> Any:
    """Build the evaluator `cfg.TEST.EVALUATOR`.

    Raises:
        ValueError: nothing is registered under that name.
    """
    announce = "Loading evaluator" if cfg.VERBOSE else ""
    return build_registered(
        EVALUATOR_REGISTRY, cfg.TEST.EVALUATOR, cfg, announce=announce, **kwargs
    )
