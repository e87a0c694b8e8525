"""What decides the result of a run: its merged config and the checkpoint that it evaluates.

Takes the parsed command line of `train.py`.
"""

import argparse
import glob
import json
import os
from typing import Any

from promptkit.files import checksum
from promptkit.runs import manifest

FINAL = "final"  # for --load-epoch: the model that its run tested with


def plan_of(args: argparse.Namespace, cfg) -> dict[str, Any]:
    """What decides the result, as plain data: it is compared before a folder is used again.

    Files are in it by checksum: weights that were replaced and runs that were trained again make
    another plan. Images are not.
    """
    from promptkit.backbones.loading import backbone_checksum  # imports torch

    checkpoint = None
    if args.eval_only and args.model_dir:
        sums = {os.path.relpath(f, args.model_dir): checksum(f) for f in model_files(args)}
        checkpoint = {"model_dir": args.model_dir, "epoch": args.load_epoch, "sha256": sums}
    start, activation = cfg.MODEL.INIT_WEIGHTS, cfg.MODEL.BACKBONE.get("ACTIVATION")
    return {
        "config": plain_config(cfg, cfg.TRAINER.NAME),
        **({"init_weights_sha256": checksum(start)} if start else {}),
        "backbone_sha256": backbone_checksum(cfg.MODEL.BACKBONE.NAME),
        **({"activation": activation} if activation == "gelu" else {}),
        "eval_only": args.eval_only,
        "checkpoint": checkpoint,
    }


def plain_config(cfg, trainer: str) -> dict[str, Any]:
    """A config as plain data, without the keys of other trainers, which decide nothing."""
    config = json.loads(json.dumps(cfg))
    own = {"NAME", trainer.upper()}
    config["TRAINER"] = {key: value for key, value in config["TRAINER"].items() if key in own}
    return config


def model_files(args: argparse.Namespace) -> list[str]:
    """The checkpoint files that --model-dir and --load-epoch mean."""
    if not args.model_dir:
        return []
    name = "model-best.pth.tar" if args.load_epoch is None else f"model.pth.tar-{args.load_epoch}"
    return sorted(glob.glob(os.path.join(glob.escape(args.model_dir), "*", name)))


def resolve_epoch(args: argparse.Namespace) -> None:
    """Puts the epoch in place of `--load-epoch final`: the best if the run kept it, or the last.

    Checkpoints that were given out often lack the file that names the last one.

    Raises:
        FileNotFoundError: there is no checkpoint.
    """
    if args.load_epoch != FINAL:
        return
    folder = glob.escape(args.model_dir)
    if glob.glob(os.path.join(folder, "*", "model-best.pth.tar")):
        args.load_epoch = None
        return
    for pointer in sorted(glob.glob(os.path.join(folder, "*", "checkpoint"))):
        with open(pointer, errors="replace") as file:
            number = file.readline().strip().rpartition("model.pth.tar-")[2]
        if number.isdecimal():
            args.load_epoch = int(number)
            return
    names = (
        path.rpartition("-")[2] for path in glob.glob(os.path.join(folder, "*", "model.pth.tar-*"))
    )
    saved = sorted({int(number) for number in names if number.isdecimal()})
    if not saved:
        raise FileNotFoundError(
            f"--load-epoch final: no checkpoint in --model-dir '{args.model_dir}'. Give the folder "
            "of a run that has trained."
        )
    args.load_epoch = saved[-1]
    print(f"Taking the last epoch in {args.model_dir}, {saved[-1]}, of {saved}")


def trained_on(trainer, result: dict[str, Any], args: argparse.Namespace) -> dict[str, Any] | None:
    """Data set and classes that the evaluated model was trained on; None for zero-shot.

    With which images these were, for a user's own. Also None for checkpoints of other code, which
    do not say.
    """
    if not trainer.get_model_names():
        return None
    if args.eval_only:
        result = manifest.read_json(os.path.join(args.model_dir, manifest.RESULT)) or {}
    if not {"dataset", "subset"} <= set(result):
        return None
    return {name: result.get(name) for name in ("dataset", "subset", "own_data")}
