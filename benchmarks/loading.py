"""Loading training images: what an image costs, and whether a step waits for its batch."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from benchmarks.subjects import make_trainer
from promptkit.trainer import PromptTrainer

PHOTO = 500, 375  # pixels, as most of ImageNet's
BATCH, BATCHES = 32, 8  # more batches than two processes load ahead
TRANSFORMS = "['random_resized_crop', 'random_flip', 'normalize']"


def loading(model: str, root: Path) -> dict:
    """Loads BATCHES batches of photograph-sized JPEGs, with and without CoOp's step on them.

    Returns:
        "decode_ms" and "image_ms": of one image, its decoding alone and all of its loading, in one
        process; "wait" of {processes: share of the training time that steps wait for a batch}, the
        first batch of the epoch included.
    """
    make_photos(root)
    paths = sorted((root / "random").glob("*.jpg"))
    decode = _seconds(lambda: [Image.open(path).convert("RGB") for path in paths]) / len(paths)
    waits = {}
    for workers in (0, 2):
        trainer = make_trainer(
            "CoOp", model, root, batch_size=BATCH, encoder="fast",
            opts=("INPUT.TRANSFORMS", TRANSFORMS, "DATALOADER.NUM_WORKERS", str(workers)),
        )  # fmt: skip
        if not workers:
            dataset = trainer.train_loader_x.dataset
            image = _seconds(lambda data=dataset: [data[i] for i in range(BATCH)]) / BATCH
        waits[workers] = _waiting(trainer)
    return {"decode_ms": 1e3 * decode, "image_ms": 1e3 * image, "wait": waits}


def make_photos(root: Path) -> None:
    """Puts smooth noise in the size of a photograph in place of the data set's images."""
    rng = np.random.default_rng(0)
    for path in sorted((root / "random").glob("*.jpg")):
        pixels = rng.integers(0, 255, (PHOTO[1], PHOTO[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2)).save(path, quality=90)


def _seconds(work) -> float:
    work()
    torch.manual_seed(0)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _waiting(trainer: PromptTrainer) -> float:
    start = begin = time.perf_counter()
    waited = 0.0
    for batch in trainer.train_loader_x:
        waited += time.perf_counter() - begin
        trainer.loss(*trainer.parse_batch_train(batch))["loss"].backward()
        begin = time.perf_counter()
    return waited / (time.perf_counter() - start)
