"""Merging into a config: the engine's functions, or yacs's own on upstream Dassl."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from yacs.config import CfgNode

try:
    from dassl.config import merge_opts, merge_tree, read_yaml
except ImportError:  # upstream Dassl, with yacs's rules and messages

    def merge_opts(cfg: CfgNode, opts: Sequence[Any]) -> None:
        """Merges KEY VALUE pairs."""
        cfg.merge_from_list(list(opts))

    def merge_tree(cfg: CfgNode, tree: Mapping[str, Any], path: str) -> None:
        """Merges what was read from a file."""
        cfg.merge_from_other_cfg(CfgNode(dict(tree)))

    def read_yaml(path: str) -> dict[str, Any]:
        """The tree of a YAML file."""
        with open(path, encoding="utf-8-sig") as file:
            return yaml.safe_load(file) or {}


__all__ = ["merge_opts", "merge_tree", "read_yaml"]
