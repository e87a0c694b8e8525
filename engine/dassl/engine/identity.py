"""Telling whether a checkpoint may be continued by the run at hand."""

from collections.abc import Iterable, Mapping
from typing import Any

from yacs.config import CfgNode

from dassl.utils.plain_state import to_plain

# With another value of these a checkpoint's numbers mean something else.
_FIXED = ("trainer", "dataset", "subset", "backbone", "classnames")


def run_identity(cfg: CfgNode, classnames: Iterable[str]) -> dict[str, Any]:
    """Return what makes a run this run, as plain values."""
    return {
        "trainer": cfg.TRAINER.NAME,
        "dataset": cfg.DATASET.NAME,
        "subset": str(cfg.DATASET.get("SUBSAMPLE_CLASSES", "all")),
        "backbone": cfg.MODEL.BACKBONE.NAME,
        "classnames": list(classnames),
        "settings": {
            "SEED": cfg.SEED,
            "DATASET.NUM_SHOTS": cfg.DATASET.NUM_SHOTS,
            "DATALOADER.TRAIN_X.BATCH_SIZE": cfg.DATALOADER.TRAIN_X.BATCH_SIZE,
            **{f"OPTIM.{key}": _plain(value) for key, value in cfg.OPTIM.items()},
            **{f"INPUT.{key}": _plain(value) for key, value in cfg.INPUT.items()},
        },
    }


def check_identity(path: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuse to go on with a checkpoint of another kind of run; name changed settings.

    Raises:
        ValueError: trainer, data set, class subset, backbone or class names differ.
    """
    if not isinstance(theirs, Mapping) or not isinstance(theirs.get("settings", {}), Mapping):
        raise ValueError(f'Cannot resume from "{path}": what it says of its run is damaged.')
    for field in _FIXED:
        if theirs.get(field) != ours[field]:
            raise ValueError(
                f'Cannot resume from "{path}": {_difference(field, theirs.get(field), ours[field])}'
                " Choose another OUTPUT_DIR, or go back to the settings of that run."
            )
    saved = theirs.get("settings", {})
    changed = [
        f"{key} {saved[key]} -> {value}"
        for key, value in ours["settings"].items()
        if key in saved and saved[key] != value
    ]
    if changed:
        print(f"Resuming with changed settings: {', '.join(changed)}")


def _difference(field: str, theirs: Any, ours: Any) -> str:
    if field != "classnames":
        return f'it was trained with {field} "{theirs}", this run has "{ours}".'
    theirs = theirs if isinstance(theirs, list | tuple) else []
    if len(theirs) != len(ours):
        return f"it was trained on {len(theirs)} classes, this run has {len(ours)}."
    index = next(i for i, pair in enumerate(zip(theirs, ours, strict=True)) if pair[0] != pair[1])
    return f'its class {index} is "{theirs[index]}", in this run it is "{ours[index]}".'


def _plain(value: Any) -> Any:
    value = to_plain(value)
    # YAML gives lists where defaults have tuples; they mean the same.
    return list(value) if isinstance(value, tuple) else value
