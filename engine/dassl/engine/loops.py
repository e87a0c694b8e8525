"""Trainers that know how to run an epoch."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import torch
from tqdm import tqdm

from dassl.engine.simple import SimpleTrainer
from dassl.utils import AverageMeter, MetricMeter


class _EpochTrainer(SimpleTrainer):
    """The epoch loop that both kinds of trainers share."""

    def _run_batches(self, batches: Iterable[tuple], num_batches: int) -> None:
        """Train on `num_batches` batches, each a tuple of arguments of `forward_backward`."""
        self.set_model_mode("train")
        self.num_batches = num_batches
        losses, batch_time, data_time = MetricMeter(), AverageMeter(), AverageMeter()
        bar = tqdm(total=num_batches, leave=False, disable=not sys.stderr.isatty())
        with bar:
            end = time.time()
            for self.batch_idx, batch in enumerate(batches):
                data_time.update(time.time() - end)
                loss_summary = self.forward_backward(*batch)
                batch_time.update(time.time() - end)
                losses.update(loss_summary)
                bar.update()
                if self._is_time_to_print():
                    with tqdm.external_write_mode():
                        print(self._progress_line(batch_time, data_time, losses))
                self._write_progress(losses)
                end = time.time()

    def _is_time_to_print(self) -> bool:
        frequency = self.cfg.TRAIN.PRINT_FREQ
        if frequency < 1:
            return False
        return (self.batch_idx + 1) % frequency == 0 or self.num_batches < frequency

    def _progress_line(
        self, batch_time: AverageMeter, data_time: AverageMeter, losses: MetricMeter
    ) -> str:
        batches_left = self.num_batches - self.batch_idx - 1
        batches_left += (self.max_epoch - self.epoch - 1) * self.num_batches
        eta = timedelta(seconds=int(batch_time.avg * batches_left))
        parts = [
            f"epoch [{self.epoch + 1}/{self.max_epoch}]",
            f"batch [{self.batch_idx + 1}/{self.num_batches}]",
            f"time {batch_time.val:.3f} ({batch_time.avg:.3f})",
            f"data {data_time.val:.3f} ({data_time.avg:.3f})",
            f"{losses}",
            f"lr {self.get_current_lr():.4e}",
            f"eta {eta}",
        ]
        return " ".join(part for part in parts if part)

    def _write_progress(self, losses: MetricMeter) -> None:
        if self._writer is None:
            return
        step = self.epoch * self.num_batches + self.batch_idx
        for name, meter in losses.meters.items():
            self.write_scalar(f"train/{name}", meter.avg, step)
        self.write_scalar("train/lr", self.get_current_lr(), step)


class TrainerX(_EpochTrainer):
    """Trains on labelled images. A subclass defines `forward_backward(batch)`."""

    def run_epoch(self) -> None:
        """Train one epoch over the labelled images."""
        batches = ((batch,) for batch in self.train_loader_x)
        self._run_batches(batches, len(self.train_loader_x))

    def parse_batch_train(
        self, batch: Mapping[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return images, labels and domains, on the device."""
        parts = batch["img"], batch["label"], batch["domain"]
        return tuple(part.to(self.device, non_blocking=True) for part in parts)


class TrainerXU(_EpochTrainer):
    """Trains on labelled and unlabelled images.

    A subclass defines `forward_backward(batch_x, batch_u)`.
    """

    def run_epoch(self) -> None:
        """Train one epoch; TRAIN.COUNT_ITER says whose length counts.

        Raises:
            ValueError: there are no unlabelled images, or COUNT_ITER is unknown.
        """
        if self.train_loader_u is None:
            raise ValueError(
                f"{type(self).__name__} needs unlabelled images, but the data set "
                f"{self.cfg.DATASET.NAME} has no train_u."
            )
        len_x, len_u = len(self.train_loader_x), len(self.train_loader_u)
        lengths = {"train_x": len_x, "train_u": len_u, "smaller_one": min(len_x, len_u)}
        if self.cfg.TRAIN.COUNT_ITER not in lengths:
            raise ValueError(
                f"TRAIN.COUNT_ITER must be one of {', '.join(lengths)}; "
                f'got "{self.cfg.TRAIN.COUNT_ITER}".'
            )
        num_batches = lengths[self.cfg.TRAIN.COUNT_ITER]
        # range first: zip must not draw a batch of images beyond the last one.
        triples = zip(
            range(num_batches),
            _endless(self.train_loader_x),
            _endless(self.train_loader_u),
            strict=False,
        )
        batches = ((batch_x, batch_u) for _, batch_x, batch_u in triples)
        self._run_batches(batches, num_batches)

    def parse_batch_train(  # type: ignore[override]
        self, batch_x: Mapping[str, Any], batch_u: Mapping[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return labelled images, their labels, and unlabelled images, on the device."""
        parts = batch_x["img"], batch_x["label"], batch_u["img"]
        return tuple(part.to(self.device, non_blocking=True) for part in parts)


def _endless(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield batches forever, starting over whenever the loader ends."""
    while True:
        yield from loader
