"""What decides the result of a run: its merged config and the checkpoint that it evaluates.

Takes the parsed command line of `train.py`, and the epoch that it chooses.
"""

import argparse
import json
import os
from collections.abc import Iterable
from typing import Any

from promptkit.files import checksum
from promptkit.runs import manifest
from promptkit.runs.model_files import model_files
from run_files.dotted import value_at


def plan_of(args: argparse.Namespace, cfg, epoch: int | None) -> dict[str, Any]:
    """What decides the result, as plain data: it is compared before a folder is used again.

    Files are in it by checksum: weights that were replaced and runs that were trained again make
    another plan. Images are not.
    """
    # These import torch.
    from promptkit.backbones.loading import backbone_checksum
    from promptkit.descriptions import descriptions_file

    checkpoint = None
    if args.eval_only and args.model_dir:
        files = model_files(args.model_dir, epoch)
        sums = {os.path.relpath(file, args.model_dir): checksum(file) for file in files}
        checkpoint = {"model_dir": args.model_dir, "epoch": epoch, "sha256": sums}
    start, activation = cfg.MODEL.INIT_WEIGHTS, cfg.MODEL.BACKBONE.get("ACTIVATION")
    sentences, nodes = descriptions_file(cfg), read_nodes(cfg)
    names = vocabulary_file(cfg)
    return {
        "config": plain_config(cfg, nodes),
        **({"init_weights_sha256": checksum(start)} if start else {}),
        **({"descriptions_sha256": checksum(sentences)} if sentences else {}),
        **({"vocabulary_sha256": checksum(names)} if names else {}),
        "backbone_sha256": backbone_checksum(cfg.MODEL.BACKBONE.NAME),
        **({"activation": activation} if activation == "gelu" else {}),
        "eval_only": args.eval_only,
        "checkpoint": checkpoint,
    }


def vocabulary_file(cfg) -> str:
    """The file of names that E2MIM reads; "" where there is none."""
    is_read = "E2MIM" in read_nodes(cfg)
    return (value_at(cfg, "TRAINER.E2MIM.VOCABULARY.FILE") or "") if is_read else ""


def evaluated_files(plan: dict[str, Any]) -> list[str]:
    """The checkpoint files of a plan."""
    chosen = plan["checkpoint"] or {"model_dir": "", "sha256": {}}
    return [os.path.join(chosen["model_dir"], name) for name in chosen["sha256"]]


def plain_config(cfg, nodes: Iterable[str]) -> dict[str, Any]:
    """A config as plain data, without the nodes of other trainers, which decide nothing."""
    config, own = json.loads(json.dumps(cfg)), {"NAME", *nodes}
    config["TRAINER"] = {key: value for key, value in config["TRAINER"].items() if key in own}
    return config


def read_nodes(cfg) -> tuple[str, ...]:
    """The nodes below TRAINER that the run reads: its trainer's, and that of one below it."""
    from dassl.engine import TRAINER_REGISTRY  # imports torch

    name = cfg.TRAINER.NAME
    known = name in TRAINER_REGISTRY.registered_names()
    nodes = getattr(TRAINER_REGISTRY.get(name), "nodes", None) if known else None
    return nodes(cfg) if nodes else (name.upper(),)


def trained_on(trainer, result: dict[str, Any], args: argparse.Namespace) -> dict[str, Any] | None:
    """Data set and classes that the evaluated model was trained on; None for zero-shot.

    With which images these were, for a user's own. Also None for checkpoints of other code, which
    do not say.
    """
    if not trainer.get_model_names():
        return None
    if args.eval_only:
        result = manifest.read_result(args.model_dir) or {}
    if not {"dataset", "subset"} <= set(result):
        return None
    return {name: result.get(name) for name in ("dataset", "subset", "own_data")}
