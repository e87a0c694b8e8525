"""What is measured: trainers on a random CLIP and made-up images, built as a run builds them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import train
from dassl.data.datasets import DATASET_REGISTRY
from dassl.engine import build_trainer
from dassl.utils import set_random_seed
from datasets.coop import CoOpDataset
from datasets.wordnet import read_classnames
from promptkit.backbones.openai_clip import random_clip
from promptkit.trainer import PromptTrainer

SIZES = {"ViT-B/16": 224, "RN50": 224, "Pocket": 48}
# Pocket's towers have 6 and 4 layers, fewer than the published depths.
POCKET_DEPTHS = {
    "CoPrompt": {"PROMPT_DEPTH": "3"},
    "MaPLe": {"PROMPT_DEPTH": "3"},
    "MMA": {"ADAPTER_START": "2", "ADAPTER_END": "4"},
    "MaPLe_ATP": {"PROMPT_DEPTH": "3"},
    "MMRL": {"REP_LAYERS": "[2, 3, 4]"},
    "MMRLpp": {"REP_LAYERS": "[2, 3, 4]"},
    "PromptSRC": {"PROMPT_DEPTH_VISION": "3", "PROMPT_DEPTH_TEXT": "3"},
    "ProText": {"PROMPT_DEPTH_TEXT": "3"},
    "SkipTuning": {"START_LAYER": "3"},
}
OWN_OPTIONS = {
    # The random classes have no descriptions.
    "CoPrompt": {"TRAINER.COPROMPT.TEMPLATES": "ensemble80", "DATALOADER.K_TRANSFORMS": "2"},
    "LASP": {"TRAINER.LASP.NOISE": "0.0"},  # both ways see the same
    "ProText": {"TRAINER.PROTEXT.TEMPLATES": "ensemble80"},
    "TwoSFS": {"OPTIM.MAX_EPOCH": "1"},
}
NODES = {"DePT": "KGCOOP"}  # of a method over another: where PREC and such stand
DEVICES = "cpu", "cuda"
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Subject:
    """What a measurement is made on.

    Attributes:
        model: of the backbone, a key of SIZES.
        root: what `make_files` was given; also holds the weights.
        device: one of DEVICES.
        precision: one of PRECISIONS, the trainer's PREC.
    """

    model: str
    root: Path
    device: str = "cpu"
    precision: str = "fp32"


def class_names(count: int) -> list[str]:
    """`count` different names: ImageNet's of 1 to 3 words; beyond those, two of them and "and"."""
    names = sorted({name for name in read_classnames("").values() if len(name.split()) <= 3})
    rng = random.Random(0)
    rng.shuffle(names)
    picked = dict.fromkeys(names[:count])
    while len(picked) < count:
        picked[" and ".join(rng.sample(names, 2))] = None
    return list(picked)


@DATASET_REGISTRY.register()
class RandomImages(CoOpDataset):
    """Noise; one image a class and split."""

    dataset_dir = "random"
    split_file = "split.json"


def make_files(root: Path, *, classes: int, tests: int, size: int) -> None:
    """Images and split of RandomImages below `root`."""
    folder = root / "random"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(max(32, tests)):
        pixels = rng.integers(0, 255, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg")
    names = class_names(classes)
    train_x = [[f"{label % 32}.jpg", label, name] for label, name in enumerate(names)]
    test = [[f"{number}.jpg", 0, names[0]] for number in range(tests)]
    (folder / "split.json").write_text(json.dumps({"train": train_x, "val": [], "test": test}))


def weights_file(model: str, folder: Path) -> str:
    """The backbone's name: Pocket, or a file of random weights in another's architecture."""
    if model == "Pocket":
        return model
    path = folder / f"{model.replace('/', '')}.pt"
    if not path.exists():
        torch.manual_seed(0)
        clip_model = random_clip(model)
        torch.save({"state_dict": clip_model.state_dict(), "activation": "quick_gelu"}, path)
    return str(path)


def make_trainer(
    name: str,
    subject: Subject,
    *,
    batch_size: int,
    encoder: str = "fast",
    opts: tuple[str, ...] = (),
) -> PromptTrainer:
    """A trainer with its published prompts, four context tokens (MaPLe: two).

    Args:
        name: of the method.
        subject: backbone, data, device and precision.
        batch_size: images in a training batch.
        encoder: fast or reference, the text encoder.
        opts: further KEY VALUE pairs.
    """
    node, size = f"TRAINER.{NODES.get(name, name.upper())}", SIZES[subject.model]
    options = {
        "DATASET.NAME": "RandomImages", "DATASET.ROOT": str(subject.root), "TRAINER.NAME": name,
        "MODEL.BACKBONE.NAME": weights_file(subject.model, subject.root),
        "INPUT.SIZE": f"({size}, {size})", "INPUT.TRANSFORMS": "['normalize']",
        "DATALOADER.NUM_WORKERS": "0", "SEED": "1", "VERBOSE": "False",
        "DATALOADER.TRAIN_X.BATCH_SIZE": str(batch_size), "DATALOADER.TEST.BATCH_SIZE": "100",
        "USE_CUDA": str(subject.device == "cuda"),
        "FEATURES.STORE": "False", "FEATURES.TRAIN_STORE": "off",
        "OPTIM.NAME": "sgd", "OPTIM.LR": "0.002",
        f"{node}.PREC": subject.precision, f"{node}.TEXT_ENCODER": encoder,
    }  # fmt: skip
    if name in ("CoOp", "KgCoOp", "DeKg", "DePT", "E2MIM", "CoCoOp"):
        options[f"{node}.CTX_INIT"] = "a photo of a"
    options |= OWN_OPTIONS.get(name, {})
    if subject.model == "Pocket":
        own = POCKET_DEPTHS.get(name, {})
        options |= {f"{node}.{key}": value for key, value in own.items()}
    argv = [word for pair in options.items() for word in pair]
    cfg = train.setup_cfg(train.parse_args([*argv, *opts]))
    set_random_seed(1)
    return build_trainer(cfg)
