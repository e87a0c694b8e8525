"""Which checkpoint files of a run folder a folder and an epoch mean; Dassl's names."""

import glob
import os

FINAL = "final"  # in place of an epoch: the model that its run tested with
BEST = "model-best.pth.tar"  # kept where TEST.FINAL_MODEL is best_val
POINTER = "checkpoint"  # in each model's folder, names its last file
PREFIX = "model.pth.tar-"  # followed by the epoch


def file_name(epoch: int | None) -> str:
    """Of the checkpoint after `epoch` epochs; None is the best on validation."""
    return BEST if epoch is None else f"{PREFIX}{epoch}"


def model_files(model_dir: str, epoch: int | None) -> list[str]:
    """The files of all models of a run folder; empty without one."""
    return _found(model_dir, file_name(epoch)) if model_dir else []


def chosen_epoch(model_dir: str, epoch: int | str | None) -> int | None:
    """The epoch that `epoch` means; FINAL is the best if the run kept it, else the last.

    Checkpoints that were given out often lack the file that names the last one.

    Raises:
        FileNotFoundError: FINAL is asked for and there is no checkpoint.
    """
    if epoch != FINAL:
        return epoch
    if _found(model_dir, BEST):
        return None
    for pointer in _found(model_dir, POINTER):
        with open(pointer, errors="replace") as file:
            number = file.readline().strip().rpartition(PREFIX)[2]
        if number.isdecimal():
            return int(number)
    names = (path.rpartition("-")[2] for path in _found(model_dir, f"{PREFIX}*"))
    saved = sorted({int(name) for name in names if name.isdecimal()})
    if not saved:
        raise FileNotFoundError(
            f"--load-epoch final: no checkpoint in --model-dir '{model_dir}'. Give the folder "
            "of a run that has trained."
        )
    print(f"Taking the last epoch in {model_dir}, {saved[-1]}, of {saved}")
    return saved[-1]


def _found(model_dir: str, pattern: str) -> list[str]:
    return sorted(glob.glob(os.path.join(glob.escape(model_dir), "*", pattern)))
