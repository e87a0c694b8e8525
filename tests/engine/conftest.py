"""A tiny drawn data set and an upstream-style prompt trainer, shared by the engine's tests."""

import os.path as osp

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from dassl.config import get_cfg_default
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum
from dassl.engine import TRAINER_REGISTRY, TrainerX, TrainerXU
from dassl.metrics import compute_accuracy
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import load_checkpoint, load_pretrained_weights, set_random_seed

CLASSES = ["red", "green", "blue"]
COUNTS = {"train": 5, "val": 2, "test": 3}


@DATASET_REGISTRY.register(force=True)
class TinyColours(DatasetBase):
    dataset_dir = "tiny_colours"

    def __init__(self, cfg):
        root = osp.join(osp.abspath(osp.expanduser(cfg.DATASET.ROOT)), self.dataset_dir)
        splits = {
            split: [
                Datum(impath=osp.join(root, f"{split}_{label}_{i}.png"), label=label, classname=c)
                for label, c in enumerate(CLASSES)
                for i in range(count)
            ]
            for split, count in COUNTS.items()
        }
        train = self.generate_fewshot_dataset(splits["train"], num_shots=cfg.DATASET.NUM_SHOTS)
        unlabelled = splits["val"] if cfg.DATASET.ALL_AS_UNLABELED else None
        super().__init__(train_x=train, train_u=unlabelled, val=splits["val"], test=splits["test"])


class PromptLearner(nn.Module):
    def __init__(self, n_cls):
        super().__init__()
        self.ctx = nn.Parameter(torch.empty(n_cls, 12).normal_(std=0.02))
        self.register_buffer("token_prefix", torch.ones(n_cls, 1))

    def forward(self):
        return self.ctx * self.token_prefix


class CustomModel(nn.Module):
    def __init__(self, n_cls):
        super().__init__()
        self.prompt_learner = PromptLearner(n_cls)
        self.drop = nn.Dropout(0.3)

    def forward(self, image):
        feature = F.adaptive_avg_pool2d(image, 2).flatten(1)
        if self.prompt_learner.training:
            feature = self.drop(feature)
        return feature @ self.prompt_learner().t()


@TRAINER_REGISTRY.register(force=True)
class TinyPrompt(TrainerX):
    """Written the way plugin trainers are: only names of the public interface."""

    def check_cfg(self, cfg):
        assert cfg.TRAINER.TINYPROMPT.PREC in ["fp16", "fp32", "amp"]

    def build_model(self):
        cfg = self.cfg
        classnames = self.dm.dataset.classnames
        self.model = CustomModel(len(classnames))
        if cfg.MODEL.INIT_WEIGHTS:
            load_pretrained_weights(self.model.prompt_learner, cfg.MODEL.INIT_WEIGHTS)
        self.model.to(self.device)
        self.optim = build_optimizer(self.model.prompt_learner, cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        self.register_model("prompt_learner", self.model.prompt_learner, self.optim, self.sched)
        self.scaler = None
        self.lr_trace = []

    def before_epoch(self):
        # Stands for a kill from outside.
        if self.epoch == getattr(self, "killed_after", None):
            raise InterruptedError("killed")
        self.lr_trace.append(self.get_current_lr())

    def forward_backward(self, batch):
        image, label = self.parse_batch_train(batch)
        # Draws from numpy too, as mixup trainers do.
        output = self.model(image * float(np.random.uniform(0.9, 1.1)))
        loss = F.cross_entropy(output, label)
        self.model_backward_and_update(loss)
        loss_summary = {"loss": loss.item(), "acc": compute_accuracy(output, label)[0].item()}
        if (self.batch_idx + 1) == self.num_batches:
            self.update_lr()
        return loss_summary

    def parse_batch_train(self, batch):
        return batch["img"].to(self.device), batch["label"].to(self.device)

    def load_model(self, directory, epoch=None):
        if not directory:
            print("Note that load_model() is skipped as no pretrained model is given")
            return
        model_file = "model-best.pth.tar" if epoch is None else "model.pth.tar-" + str(epoch)
        for name in self.get_model_names():
            model_path = osp.join(directory, name, model_file)
            if not osp.exists(model_path):
                raise FileNotFoundError(f'Model not found at "{model_path}"')
            checkpoint = load_checkpoint(model_path)
            state_dict = checkpoint["state_dict"]
            del state_dict["token_prefix"]
            print(f'Loading weights to {name} from "{model_path}" (epoch = {checkpoint["epoch"]})')
            self._models[name].load_state_dict(state_dict, strict=False)


@TRAINER_REGISTRY.register(force=True)
class TinyXU(TrainerXU):
    def build_model(self):
        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 3))
        self.optim = build_optimizer(self.model, self.cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model("model", self.model, self.optim, self.sched)
        self.seen = []

    def forward_backward(self, batch_x, batch_u):
        input_x, label_x, input_u = self.parse_batch_train(batch_x, batch_u)
        self.seen.append((len(input_x), len(input_u)))
        loss = F.cross_entropy(self.model(input_x), label_x) + self.model(input_u).pow(2).mean()
        self.model_backward_and_update(loss)
        return {"loss": loss.item()}


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    (root / "tiny_colours").mkdir()
    rng = np.random.default_rng(0)
    for split, count in COUNTS.items():
        for label in range(len(CLASSES)):
            for i in range(count):
                pixels = rng.integers(0, 90, (20, 20, 3), dtype=np.uint8)
                pixels[..., label] += 120
                name = f"{split}_{label}_{i}.png"
                Image.fromarray(pixels).save(root / "tiny_colours" / name)
    return root


@pytest.fixture
def make_cfg(data_root, tmp_path):
    """Return a function: pairs KEY, VALUE -> configuration of a tiny run in tmp_path/out."""

    def make(*opts):
        from yacs.config import CfgNode

        cfg = get_cfg_default()
        cfg.TRAINER.TINYPROMPT = CfgNode({"PREC": "fp32"})
        cfg.merge_from_list(
            ["TRAINER.NAME", "TinyPrompt", "DATASET.NAME", "TinyColours"]
            + ["DATASET.ROOT", str(data_root), "OUTPUT_DIR", str(tmp_path / "out")]
            + ["SEED", 1, "USE_CUDA", False, "INPUT.SIZE", (16, 16)]
            + ["INPUT.TRANSFORMS", ("random_translation", "random_resized_crop", "normalize")]
            + ["DATALOADER.NUM_WORKERS", 0, "DATALOADER.TRAIN_X.BATCH_SIZE", 5]
            + ["OPTIM.NAME", "sgd", "OPTIM.LR", 0.05, "OPTIM.MAX_EPOCH", 2]
        )
        cfg.merge_from_list(list(opts))
        cfg.freeze()
        return cfg

    return make


@pytest.fixture
def make_trainer(make_cfg):
    """Return a function: configuration, or pairs KEY, VALUE -> seeded trainer."""
    from dassl.engine import build_trainer

    def make(*opts):
        cfg = make_cfg(*opts) if not opts or isinstance(opts[0], str) else opts[0]
        set_random_seed(cfg.SEED)
        return build_trainer(cfg)

    return make
