"""Values that are of the right type and yet mean nothing: refused before anything is written."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from yacs.config import CfgNode

from run_files.dotted import value_at

Check = tuple[str, Callable[[Any], bool], str]  # key, whether a value is right, what is allowed
SPLITS = ("test", "val")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _are(value: Sequence[Any], count: int, right: Callable[[Any], bool]) -> bool:
    return len(value) == count and all(map(right, value))


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= 1 << 14  # pixels


def _is_rate(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


CHECKS: tuple[Check, ...] = (
    ("INPUT.SIZE", lambda v: _are(v, 2, _is_side), "(height, width), two whole pixels above 0"),
    ("INPUT.PIXEL_MEAN", lambda v: _are(v, 3, _is_number), "three numbers, of red, green and blue"),
    (
        "INPUT.PIXEL_STD",
        lambda v: _are(v, 3, lambda x: _is_number(x) and x > 0),
        "three numbers above 0, of red, green and blue",
    ),
    (
        "INPUT.RRCROP_SCALE",
        lambda v: _are(v, 2, _is_rate) and 0 < v[0] <= v[1],
        "two shares of the image's area, the smaller one first, above 0 and up to 1",
    ),
    ("INPUT.TRANSFORMS", lambda v: all(isinstance(x, str) for x in v), "names of transforms"),
    ("INPUT.CROP_PADDING", lambda v: v >= 0, "0 or more pixels"),
    ("INPUT.CUTOUT_LEN", lambda v: v >= 0, "0 or more pixels"),
    ("DATALOADER.K_TRANSFORMS", lambda v: v >= 1, "1 or more"),
    ("DATALOADER.NUM_WORKERS", lambda v: v >= 0, "0 or more processes"),
    ("DATALOADER.TRAIN_X.BATCH_SIZE", lambda v: v >= 1, "1 or more images"),
    ("DATALOADER.TEST.BATCH_SIZE", lambda v: v >= 1, "1 or more images"),
    ("TEST.SPLIT", lambda v: v in SPLITS, f"one of {', '.join(SPLITS)}"),
    ("TEST.FINAL_MODEL", lambda v: v in ("last_step", "best_val"), "one of last_step, best_val"),
    ("DATASET.NUM_SHOTS", lambda v: v >= 1 or v == -1, "1 or more, or -1 for all images"),
    ("SEED", lambda v: v < 1 << 32, "below 4294967296"),
    # torch's GaussianBlur and ColorJitter fail only once they are built or called.
    ("INPUT.GB_K", lambda v: v > 0 and v % 2 == 1, "an odd number of pixels above 0"),
    *((f"INPUT.{key}", _is_rate, "a probability, from 0 to 1") for key in ("GB_P", "RGS_P")),
    ("INPUT.COLORJITTER_H", lambda v: _is_rate(2 * v), "from 0 to 0.5"),
    *((f"INPUT.COLORJITTER_{key}", lambda v: v >= 0, "0 or more") for key in "BCS"),
)
# What counts where something is trained.
OF_TRAINING: tuple[Check, ...] = (
    ("OPTIM.MAX_EPOCH", lambda v: v >= 1, "1 or more: without training use --eval-only"),
    ("OPTIM.LR", lambda v: v >= 0, "0 or more"),
    (
        "OPTIM.STEPSIZE",
        lambda v: len(v) > 0 and all(type(x) is int for x in v),
        "whole epochs, one or more",
    ),
    ("OPTIM.WEIGHT_DECAY", lambda v: v >= 0, "0 or more"),
)


def check_values(cfg: CfgNode, trainer: type | None, *, eval_only: bool) -> None:
    """Refuses what no run can mean.

    Args:
        cfg: merged.
        trainer: its class; None where it is not known.
        eval_only: nothing will be trained.

    Raises:
        ValueError: names the first key, its value and what is allowed.
    """
    for key, is_right, allowed in (*CHECKS, *(() if eval_only else OF_TRAINING)):
        value = value_at(cfg, key)
        if value is not None and not is_right(value):
            raise ValueError(f"{key} must be {allowed}; got {value!r}.")
    if not eval_only:
        _check_warmup(cfg.OPTIM)
        _check_resumed(cfg.RESUME)
    if getattr(trainer, "Config", None) is not None:
        _check_images(cfg, getattr(trainer, "images_of_each", 1))


def _check_warmup(node: CfgNode) -> None:
    if node.WARMUP_EPOCH > node.MAX_EPOCH:
        raise ValueError(
            f"OPTIM.WARMUP_EPOCH must be at most OPTIM.MAX_EPOCH, {node.MAX_EPOCH}; got "
            f"{node.WARMUP_EPOCH}: training would end before the warm-up. Lower the one or raise "
            "the other."
        )


def _check_resumed(folder: str) -> None:
    if folder and not os.path.isdir(folder):
        raise ValueError(
            f"RESUME (--resume) must be the folder of a run; there is no folder {folder!r}. "
            "Correct it, or leave it out to train from scratch."
        )


def _check_images(cfg: CfgNode, versions: int) -> None:
    """Trainers of promptkit take tensors, `versions` of each image."""
    for key, right in (("INPUT.NO_TRANSFORM", False), ("DATALOADER.K_TRANSFORMS", versions)):
        value = value_at(cfg, key)
        if value != right:
            count = "one tensor" if versions == 1 else f"{versions} tensors"
            advice = "Leave it out" if versions == 1 or not value else f"Set it to {right}"
            name = "the trainers of promptkit take" if versions == 1 else "this trainer takes"
            raise ValueError(
                f"{key} must be {right}; got {value!r}: {name} {count} of each image. {advice}."
            )
