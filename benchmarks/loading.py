"""Loading images: what an image costs, and whether a step waits for its batch."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import Ratio, median_time
from benchmarks.subjects import Subject, make_trainer
from dassl.data.data_manager import stop_processes
from promptkit.trainer import PromptTrainer

PHOTO, LARGE = (500, 375), (2048, 1536)  # pixels: as most of ImageNet's; as a camera's
BATCH, BATCHES = 32, 8  # more batches than two processes load ahead
TRANSFORMS = "['random_resized_crop', 'random_flip', 'normalize']"


@dataclass(frozen=True)
class Loading:
    """What loading training images costs.

    Attributes:
        decode_sec, image_sec: one image, its decoding alone and all of its loading, in one process.
        waits: of {processes: share of the training time that steps wait for a batch}, the first
            batch of the epoch included.
    """

    decode_sec: float
    image_sec: float
    waits: dict[int, float]


def loading(subject: Subject) -> Loading:
    """Loads BATCHES batches of photograph-sized JPEGs, with and without CoOp's step on them."""
    make_photos(subject, PHOTO)
    paths = sorted((subject.root / "random").glob("*.jpg"))
    decode = median_time(lambda: [Image.open(path).convert("RGB") for path in paths], repeats=1)
    trainers = {
        workers: make_trainer(
            "CoOp", subject, batch_size=BATCH,
            opts=("INPUT.TRANSFORMS", TRANSFORMS, "DATALOADER.NUM_WORKERS", str(workers)),
        )
        for workers in (0, 2)
    }  # fmt: skip
    batches = trainers[0].train_loader_x
    image = median_time(lambda: [next(iter(batches))], repeats=1)
    waits = {workers: _waiting(trainer) for workers, trainer in trainers.items()}
    return Loading(decode.fast_sec / len(paths), image.fast_sec / BATCH, waits)


def _waiting(trainer: PromptTrainer) -> float:
    _step(trainer, next(iter(trainer.train_loader_x)))  # the first one takes longer on a GPU
    start = begin = time.perf_counter()
    waited = 0.0
    for batch in trainer.train_loader_x:
        waited += time.perf_counter() - begin
        _step(trainer, batch)
        begin = time.perf_counter()
    share = waited / (begin - start)
    stop_processes(trainer.train_loader_x)
    return share


def _step(trainer: PromptTrainer, batch: dict) -> None:
    with trainer.precision.autocast():
        loss = trainer.loss(*trainer.parse_batch_train(batch))["loss"]
    loss.backward()
    loss.item()  # waits for the device


@dataclass(frozen=True)
class Drafting:
    """Large test images decoded at a fraction of their size, against whole.

    Attributes:
        ratio: seconds of one image; no difference.
        levels: mean absolute difference of the resized images, in levels of gray.
        bilinear_levels: of bilinear in place of bicubic interpolation, for comparison.
    """

    ratio: Ratio
    levels: float
    bilinear_levels: float


def drafting(subject: Subject, *, repeats: int) -> Drafting:
    """Reads a LARGE test image with and without INPUT.DRAFT."""
    make_photos(subject, LARGE, count=1)
    readers = {}
    for draft, interpolation in ((True, "bicubic"), (False, "bicubic"), (False, "bilinear")):
        opts = "INPUT.DRAFT", str(draft), "INPUT.INTERPOLATION", interpolation
        trainer = make_trainer("CoOp", subject, batch_size=BATCH, opts=opts)
        readers[draft, interpolation] = trainer.dm.test_loader.dataset
    drafted, whole, bilinear = (reader[0]["img"] for reader in readers.values())
    levels = 255 * torch.tensor(trainer.cfg.INPUT.PIXEL_STD)[:, None, None]
    fast, slow, _ = (
        median_time(lambda data=data: [data[0]["img"]], repeats=repeats)
        for data in readers.values()
    )
    return Drafting(
        Ratio(fast.fast_sec, slow.fast_sec, fast.fast_spread, slow.fast_spread, None),
        ((drafted - whole).abs() * levels).mean().item(),
        ((bilinear - whole).abs() * levels).mean().item(),
    )


def make_photos(subject: Subject, size: tuple[int, int], *, count: int | None = None) -> None:
    """Puts photographs in place of the data set's first `count` images, or all of them."""
    rng = np.random.default_rng(0)
    paths = sorted((subject.root / "random").glob("*.jpg"), key=lambda path: int(path.stem))
    for path in paths[:count]:
        photograph(*size, rng).save(path, quality=90)


def photograph(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """Noise whose amplitudes fall with the frequency, as those of photographs do."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    spectrum = np.exp(2j * np.pi * rng.random((3, *frequency.shape))) / frequency
    pixels = np.fft.irfft2(spectrum, (height, width)).transpose(1, 2, 0)
    return Image.fromarray((128 + 48 * pixels / pixels.std()).clip(0, 255).astype(np.uint8))
