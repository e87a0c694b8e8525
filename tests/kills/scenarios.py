"""The commands that are killed: one trainer of each kind, and all that is written beside training.

Each starts in a folder of its own with data that nothing was drawn from yet and an empty store.
"""

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pocket.datasets
import train
from datasets import drawing
from promptkit.runs import environment

BEST = ("TEST.FINAL_MODEL", "best_val")
EACH_EPOCH = ("TRAIN.CHECKPOINT_FREQ", "1")
TWO_MODELS = ("TRAINER.E2MIM.MI.CRITIC", "bilinear")
SMALL_SET = dataclasses.replace(
    pocket.datasets.SETS["PocketSizes"],
    classes=dict(list(pocket.datasets.SETS["PocketSizes"].classes.items())[:2]),
)
# Arguments of train.py by name: trainer, KEY VALUE pairs, flags.
RUNS = {
    "context": ("CoOp", EACH_EPOCH, ()),
    "two models": ("E2MIM", (*TWO_MODELS, *EACH_EPOCH), ()),
    "two best models": ("E2MIM", (*TWO_MODELS, *BEST), ()),
    "two best models and each epoch": ("E2MIM", (*TWO_MODELS, *BEST, *EACH_EPOCH), ()),
    "average": ("PromptSRC", EACH_EPOCH, ()),
    "best average": ("PromptSRC", BEST, ()),
    "context of each image": ("CoCoOp", EACH_EPOCH, ()),
    "image prompts": ("VPT", EACH_EPOCH, ()),
    "deep prompts": ("MaPLe", EACH_EPOCH, ()),
    "fit": ("LinearProbe", (), ()),
    "stored features": ("ZeroshotCLIP", (), ("--eval-only",)),
    "stored views": ("KgCoOp", (*EACH_EPOCH, "FEATURES.VIEWS", "2"), ()),
    "curve": ("CoOp", (*EACH_EPOCH, "DATASET.SUBSAMPLE_CLASSES", "base"), ("--eval-every", "1")),
}
DRAWING = "drawing"
NAMES = [*RUNS, DRAWING]


def fresh(place: Path, tiny_root: str) -> None:
    """Makes the folder anew: data without picks."""
    shutil.rmtree(place, ignore_errors=True)
    data = place / "data/tiny"
    data.mkdir(parents=True)
    (data / "images").symlink_to(Path(tiny_root, "tiny/images"))
    shutil.copy(Path(tiny_root, "tiny/split.json"), data)


def command(name: str, place: Path, tiny_argv: Callable, output: str = "run") -> Callable[[], int]:
    """The scenario's command, to be called in a process of its own."""
    if name == DRAWING:
        return lambda: _draw(place / "data")
    trainer, pairs, flags = RUNS[name]
    argv = tiny_argv(trainer, *pairs, flags=("--root", str(place / "data"), *flags))
    argv[argv.index("--output-dir") + 1] = str(place / output)
    return lambda: _train(argv, place / "features")


def _train(argv: list[str], store: Path) -> int:
    os.environ["PROMPTKIT_FEATURES"] = str(store)
    environment._git = environment._is_changed = lambda *_: None  # a third of such a run's time
    return train.main(argv)


def _draw(root: Path) -> int:
    pocket.datasets.PER_CLASS.update(train=2, val=1, test=1)
    drawing.draw(SMALL_SET, root)
    return 0
