"""What a run says that has no memory left: of which device, and the keys that take less of it."""

import re

LOADING = "DataLoader worker"  # how torch begins to say that a loading process is gone


def message(error: BaseException, trainer: str) -> str:
    """One line for an error of torch's or Python's that says that memory ran out.

    Args:
        trainer: its name, "" where only the settings say it.
    """
    said = re.sub(r"^\[enforce fail at .*?\] (err == 0)?[. ]*", "", str(error).strip())
    said = (said.splitlines() or [type(error).__name__])[0].split(". GPU ")[0][:200].rstrip(". ")
    if LOADING in str(error):
        return (
            f"a loading process had no memory left or was ended: {said}. Lower "
            "DATALOADER.NUM_WORKERS (0 loads in the run itself)."
        )
    device = "GPU" if re.search("CUDA|CUBLAS|HIP", str(error)) else "CPU"
    options = f"TRAINER.{trainer.upper() or '<NAME>'}"
    return (
        f"out of memory on the {device}: {said}. Lower DATALOADER.TRAIN_X.BATCH_SIZE "
        f"if it came in training and DATALOADER.TEST.BATCH_SIZE if in a test; with many classes "
        f"{options}.CHUNK; or take fewer bits with {options}.PREC (bf16, on a GPU amp or fp16)."
    )
