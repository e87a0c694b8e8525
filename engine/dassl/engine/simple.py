"""A trainer with data, model, evaluator, checkpoints and resuming."""

import os
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import torch
from torch import nn
from tqdm import tqdm
from yacs.config import CfgNode

from dassl.data import DataManager
from dassl.data.data_manager import stop_processes
from dassl.engine.base import Names, TrainerBase
from dassl.engine.identity import check_identity, run_identity
from dassl.engine.network import SimpleNet
from dassl.engine.not_finite import check_output
from dassl.evaluation import build_evaluator
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import (
    count_num_param,
    load_checkpoint,
    load_pretrained_weights,
    mkdir_if_missing,
)
from dassl.utils.checkpoint_writer import BEST_NAME, copy_together
from dassl.utils.plain_state import set_rng_state
from dassl.utils.torchtools import fitting


class SimpleTrainer(TrainerBase):
    """Builds everything from the configuration, trains, validates, saves and tests.

    Args:
        cfg: the configuration.

    Raises:
        ValueError: a setting does not fit; the text says which.

    Attributes:
        device: where the model is.
        train_loader_x, test_loader: loaders; train_loader_u and val_loader may be None.
        num_classes, num_source_domains: counts.
        lab2cname: class name by label.
        dm: the `DataManager`.
        evaluator: the evaluator.
        best_result: best validation accuracy so far, in percent.
    """

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        final = cfg.TEST.FINAL_MODEL
        if final not in ("last_step", "best_val"):
            raise ValueError(f'TEST.FINAL_MODEL must be one of last_step, best_val; got "{final}".')
        self.check_cfg(cfg)

        use_cuda = torch.cuda.is_available() and cfg.USE_CUDA
        self.device = torch.device("cuda" if use_cuda else "cpu")
        self.start_epoch = self.epoch = 0
        self.max_epoch = cfg.OPTIM.MAX_EPOCH
        self.output_dir = cfg.OUTPUT_DIR

        self.cfg = cfg
        self.build_data_loader()
        self.build_model()
        self.evaluator = build_evaluator(cfg, lab2cname=self.lab2cname)
        self.best_result = -float("inf")

    def check_cfg(self, cfg: CfgNode) -> None:
        """Hook: raise if the configuration does not suit the trainer."""

    def build_data_loader(self) -> None:
        """Build data set and loaders."""
        dm = DataManager(self.cfg)
        self.train_loader_x = dm.train_loader_x
        self.train_loader_u = dm.train_loader_u
        self.val_loader = dm.val_loader
        self.test_loader = dm.test_loader
        self.num_classes = dm.num_classes
        self.num_source_domains = dm.num_source_domains
        self.lab2cname = dm.lab2cname
        self.dm = dm

    def build_model(self) -> None:
        """Build and register the model, its optimizer and its schedule."""
        cfg = self.cfg
        print("Building model")
        self.model = SimpleNet(cfg, cfg.MODEL, self.num_classes)
        if cfg.MODEL.INIT_WEIGHTS:
            load_pretrained_weights(self.model, cfg.MODEL.INIT_WEIGHTS)
        self.model.to(self.device)
        print(f"# params: {count_num_param(self.model):,}")
        self.optim = build_optimizer(self.model, cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        self.register_model("model", self.model, self.optim, self.sched)

        device_count = torch.cuda.device_count() if self.device.type == "cuda" else 0
        if device_count > 1:
            print(f"Detected {device_count} GPUs (use nn.DataParallel)")
            self.model = nn.DataParallel(self.model)

    def train(self) -> None:  # type: ignore[override]
        """Train from `start_epoch` to OPTIM.MAX_EPOCH, then test."""
        try:
            super().train(self.start_epoch, self.max_epoch)
        finally:
            for name in ("train_loader_x", "train_loader_u"):  # plugins may build others
                stop_processes(getattr(self, name, None))

    def before_train(self) -> None:
        """Resume if the run folder holds checkpoints; open the logs."""
        directory = self.cfg.RESUME or self.cfg.OUTPUT_DIR
        self.start_epoch = self.resume_model_if_exist(directory)
        if self.start_epoch > 0 and self.cfg.TEST.FINAL_MODEL == "best_val":
            self._restore_best(directory)
        if self._resumed.get("scaler") and getattr(self, "scaler", None) is not None:
            self.scaler.load_state_dict(self._resumed["scaler"])

        log_dir = os.path.join(self.output_dir, "tensorboard")
        mkdir_if_missing(log_dir)
        self.init_writer(log_dir)
        self.time_start = time.time()
        # Last, so that the run goes on with the very numbers it would have drawn.
        self._restore_rng()
        self._save_what_was_due()

    def after_epoch(self) -> None:
        """Validate if the best model is wanted; save if it is time to."""
        cfg = self.cfg
        if not cfg.TEST.NO_TEST and cfg.TEST.FINAL_MODEL == "best_val":
            result = self.test(split="val")
            if result > self.best_result:
                self.best_result = result
                self.save_model(
                    self.epoch, self.output_dir, val_result=result, model_name=BEST_NAME
                )
        if self._is_time_to_save(self.epoch):
            self.save_model(self.epoch, self.output_dir)

    def _is_time_to_save(self, epoch: int) -> bool:
        frequency = self.cfg.TRAIN.CHECKPOINT_FREQ
        is_last = (epoch + 1) == self.max_epoch
        return is_last or (frequency > 0 and (epoch + 1) % frequency == 0)

    def _save_what_was_due(self) -> None:
        """After a kill between saving the best model and saving the epoch: save the epoch."""
        epoch, file_name = self.start_epoch - 1, f"model.pth.tar-{self.start_epoch}"
        if epoch < 0 or self.cfg.RESUME or not self._is_time_to_save(epoch):
            return
        paths = [os.path.join(self.output_dir, n, file_name) for n in self.get_model_names()]
        if not all(os.path.exists(path) for path in paths):
            self.save_model(epoch, self.output_dir)

    def after_train(self) -> None:
        """Test the model that FINAL_MODEL asks for, unless NO_TEST."""
        print("Finish training")
        if not self.cfg.TEST.NO_TEST:
            if self.cfg.TEST.FINAL_MODEL == "best_val":
                print("Deploy the model with the best val performance")
                self.load_model(self.output_dir)
            else:
                print("Deploy the last-epoch model")
            self.test()
        elapsed = timedelta(seconds=round(time.time() - self.time_start))
        print(f"Elapsed: {elapsed}")
        self.close_writer()

    @torch.no_grad()
    def test(self, split: str | None = None) -> float:  # type: ignore[override]
        """Evaluate on a split and return the first result (accuracy in percent).

        Args:
            split: val or test; by default TEST.SPLIT. Without validation images val means test.

        Raises:
            ValueError: another split.
            FloatingPointError: the model's output is not finite; the text names the tensor.
        """
        self.set_model_mode("eval")
        self.evaluator.reset()
        split = split or self.cfg.TEST.SPLIT
        if split not in ("val", "test"):
            raise ValueError(f'TEST.SPLIT must be one of test, val; got "{split}".')
        if split == "val" and self.val_loader is not None:
            loader = self.val_loader
        else:
            if split == "val":
                print("WARNING: there are no validation images; the test set stands in for them")
            split, loader = "test", self.test_loader
        print(f"Evaluate on the *{split}* set")
        for batch in tqdm(loader):
            input, label = self.parse_batch_test(batch)
            output = self.model_inference(input)
            check_output(self, output)
            self.evaluator.process(output, label)
        results = self.evaluator.evaluate()
        for name, value in results.items():
            self.write_scalar(f"{split}/{name}", value, self.epoch)
        return next(iter(results.values()))

    def model_inference(self, input: torch.Tensor) -> torch.Tensor:
        """Return logits [B, C] of images [B, 3, H, W]."""
        return self.model(input)

    def parse_batch_test(self, batch: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images and labels, on the device."""
        images, labels = batch["img"], batch["label"]  # pinned: copied while the CPU goes on
        return images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    def get_current_lr(self, names: Names = None) -> float:
        """Return the learning rate of the first named model's first parameter group."""
        name = self.get_model_names(names)[0]
        return self._optims[name].param_groups[0]["lr"]

    def extra_state(self) -> dict[str, Any]:
        """Return what tells runs apart, and the state of a gradient scaler if there is one."""
        state = {"run": run_identity(self.cfg, self.lab2cname.values())}
        scaler = getattr(self, "scaler", None)
        if scaler is not None:
            state["scaler"] = scaler.state_dict()
        return state

    def check_resumable(self, path: str, checkpoint: Mapping[str, Any]) -> None:
        """Refuse a checkpoint of another trainer, data set, class list or backbone."""
        if "run" in checkpoint:
            check_identity(path, checkpoint["run"], run_identity(self.cfg, self.lab2cname.values()))

    def _restore_rng(self) -> None:
        if self.start_epoch == 0:
            return
        if "rng_state" in self._resumed:
            with fitting(self.cfg.RESUME or self.output_dir, "checkpoint's random numbers"):
                set_rng_state(self._resumed["rng_state"])
        else:
            print("The checkpoint holds no random state: shuffling and augmentation start anew")

    def _restore_best(self, directory: str) -> None:
        """Take up the best validation result, and the best model if it is in another folder."""
        names = [os.path.join(name, BEST_NAME) for name in self.get_model_names()]
        sources = {name: os.path.join(directory, name) for name in names}
        if not all(os.path.isfile(source) for source in sources.values()):
            return
        if not all(os.path.exists(os.path.join(self.output_dir, name)) for name in names):
            copy_together(sources, self.output_dir)
        results = []
        for source in sources.values():
            best = load_checkpoint(source)
            result = best.get("val_result") if isinstance(best, Mapping) else None
            if result is not None:
                with fitting(source, "validation result"):
                    results.append(float(result))
        # The least: best models of different epochs, which a kill may have left, are made anew.
        self.best_result = min(results, default=self.best_result)
