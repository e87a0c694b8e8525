"""The merged config of a run: defaults < data set yaml < method yaml < flags < KEY VALUE pairs."""

import argparse
import os
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from yacs.config import CfgNode

from dassl.config import get_cfg_default
from dassl.data.datasets import DATASET_REGISTRY
from dassl.engine import TRAINER_REGISTRY
from promptkit.config import PromptConfig, default_node
from promptkit.did_you_mean import did_you_mean
from promptkit.runs import selection
from promptkit.runs.engine_merging import merge_opts, merge_tree, read_yaml
from promptkit.runs.image_input import follow_weights
from promptkit.runs.published_config import adapted, adapted_pairs
from promptkit.runs.sound_values import check_values
from promptkit.runs.unread_keys import check_keys, check_nodes, idle_keys
from run_files.dotted import flatten, nested

FOLDERS = ("OUTPUT_DIR", "RESUME")  # keys; data sets and backbones see to their own


def extend_cfg(cfg: CfgNode) -> None:
    """Adds the keys that are not Dassl's: data sets', and those of all trainers."""
    cfg.TEST.KEEP_LOGITS = True  # logits.npz beside result.json, see promptkit/runs/kept_logits.py
    cfg.DATASET.SUBSAMPLE_CLASSES = "all"  # all | base | new
    # Images of a user's own, see datasets/image_folder.py.
    cfg.DATASET.FOLDER = CfgNode(
        {"NAME": "", "PATH": "", "SPLIT": "", "CLASSNAMES": "", "SKIP_UNREADABLE": False}
    )
    known = TRAINER_REGISTRY.registered_names()
    add_missing(cfg, trainer_keys(map(TRAINER_REGISTRY.get, known)))


def trainer_keys(trainers: Iterable[type]) -> CfgNode:
    """What trainers of promptkit read besides Dassl's keys: one node each, and what all share.

    Args:
        trainers: classes; those without a `Config` of ours bring no keys.
    """
    keys = CfgNode()
    # TEMPLATE overrides the data set's hand-crafted sentence. DESCRIPTIONS is a file of many about
    # each class, or a folder of such files, see promptkit/descriptions.py.
    keys.DATASET = CfgNode({"TEMPLATE": "", "DESCRIPTIONS": ""})
    # quick_gelu | gelu, for a state dict by its path.
    keys.MODEL = CfgNode({"BACKBONE": {"ACTIVATION": "auto"}})
    # VIEWS: so many of each training image are encoded once and drawn from; 0 encodes every step's.
    # STORE: frozen features of test images are kept on disk, see promptkit/stores/feature_store.py.
    # TRAIN_STORE auto | on | off: those of the epochs' views of training images, see
    # promptkit/stores/training_views.py; off encodes every batch.
    keys.FEATURES = CfgNode({"VIEWS": 0, "STORE": True, "TRAIN_STORE": "auto"})
    keys.PROTOCOL = CfgNode(selection.keys())
    keys.TRAINER = CfgNode()
    for trainer in trainers:
        config_class = getattr(trainer, "Config", None)
        if isinstance(config_class, type) and issubclass(config_class, PromptConfig):
            keys.TRAINER[trainer.__name__.upper()] = default_node(config_class)
    return keys


def add_missing(cfg: CfgNode, keys: CfgNode, path: str = "") -> None:
    """Adds to a config those of `keys` that it does not have; what it has stays as it is.

    Raises:
        ValueError: it has a value where `keys` have a group of keys.
    """
    for key, value in keys.items():
        if not isinstance(value, CfgNode):
            cfg.setdefault(key, value)
            continue
        node = cfg.setdefault(key, CfgNode())
        if not isinstance(node, CfgNode):
            names = ", ".join(f"{path}{key}.{name}" for name in value)
            raise ValueError(
                f"The config has the value {node!r} at {path}{key}, where promptkit has the keys "
                f"{names}. Give that value another name."
            )
        add_missing(node, value, f"{path}{key}.")


def default_cfg(modules: Iterable[ModuleType]) -> CfgNode:
    """The config where nothing is set; modules written for upstream may bring keys."""
    cfg = get_cfg_default()
    extend_cfg(cfg)
    for module in modules:
        if hasattr(module, "extend_cfg"):
            module.extend_cfg(cfg)
    return cfg


def merged(args: argparse.Namespace, modules: Iterable[ModuleType]) -> CfgNode:
    """The merged and frozen config of a command line.

    Args:
        args: parsed by `promptkit.runs.arguments.parse_args`.
        modules: those with trainers.

    Raises:
        FileNotFoundError: a config file is not there.
        KeyError: there is no such key.
        ValueError: a key has no effect in this run, or a value is of the wrong type.
    """
    cfg = default_cfg(modules)
    pairs = [*_flags(args), *args.opts]
    files = {path: read_yaml(path) for path in (args.dataset_config_file, args.config_file) if path}
    trainer = _registered(TRAINER_REGISTRY, _chosen("TRAINER.NAME", pairs, files))
    dataset = _registered(DATASET_REGISTRY, _chosen("DATASET.NAME", pairs, files))
    given = {}
    for path, tree in files.items():
        settings = adapted(flatten(tree, keep_empty=True), trainer, path=path)
        given |= dict.fromkeys(settings, path)
        check_keys(dict.fromkeys(settings, path), cfg, trainer=trainer, dataset=dataset)
        merge_tree(cfg, nested(settings), path)
    typed = dict.fromkeys(map(str, pairs[0::2]), "on the command line")
    check_keys(typed, cfg, trainer=trainer, dataset=dataset)
    merge_opts(cfg, adapted_pairs(pairs, trainer))
    for key in FOLDERS:  # as the flags' "~", which the shell leaves inside of a pair
        cfg[key] = os.path.expanduser(cfg[key])
    check_values(cfg, trainer, eval_only=args.eval_only)
    check_nodes(given | typed, cfg, trainer)
    selection.check_selection(cfg)
    for sentence in idle_keys(given | typed, cfg, trainer):
        print(sentence)
    if hasattr(trainer, "Config"):
        follow_weights(cfg, given | typed)
    if hasattr(dataset, "name_by_yaml"):
        dataset.name_by_yaml(cfg, args.dataset_config_file)
    cfg.freeze()
    return cfg


def _flags(args: argparse.Namespace) -> list[Any]:
    """The flags that stand for keys, as KEY VALUE pairs."""
    flags = {
        "DATASET.ROOT": args.root,
        "OUTPUT_DIR": args.output_dir,
        "RESUME": args.resume,
        "DATASET.SOURCE_DOMAINS": args.source_domains,
        "DATASET.TARGET_DOMAINS": args.target_domains,
        "INPUT.TRANSFORMS": args.transforms,
        "TRAINER.NAME": args.trainer,
        "MODEL.BACKBONE.NAME": args.backbone,
        "MODEL.HEAD.NAME": args.head,
        "SEED": args.seed if args.seed >= 0 else None,  # seed 0 is a seed
    }
    given = ((key, value) for key, value in flags.items() if value or value == 0)
    return [word for pair in given for word in pair]


def _chosen(key: str, pairs: list[Any], files: Mapping[str, Mapping[str, Any]]) -> str:
    """What a key will be when all is merged; "" where nothing sets it."""
    typed = dict(zip(pairs[0::2], pairs[1::2], strict=False))
    values = [flatten(tree).get(key, "") for tree in files.values()] + [typed.get(key, "")]
    return next((str(value) for value in reversed(values) if value), "")


def _registered(registry: Any, name: str) -> type | None:
    return registry.get(name) if name in registry.registered_names() else None


def check_names(cfg) -> None:
    """Raises ValueError unless trainer and data set are registered."""
    for key, name, registry, flag in (
        ("TRAINER.NAME", cfg.TRAINER.NAME, TRAINER_REGISTRY, "--trainer"),
        ("DATASET.NAME", cfg.DATASET.NAME, DATASET_REGISTRY, "--dataset-config-file"),
    ):
        known = registry.registered_names()
        if name in known:
            continue
        given = (
            f"got '{name}'.{did_you_mean(name, known)}" if name else f"it is not set. Give {flag}."
        )
        raise ValueError(f"{key} must be one of {', '.join(known)}; {given}")
