"""Writes the image and text features of a run with names and labels, for plots such as t-SNE.

python -m promptkit.features RUN features.safetensors [--split test|val|train] [--root DATA]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from dassl.data import DatasetWrapper
from dassl.data.datasets import Datum
from dassl.data.transforms import build_transform
from promptkit.runs.results import dataset_name, shot_list_hash
from promptkit.trainer import PromptTrainer
from promptkit.use.run_options import add_run_options, open_chosen
from promptkit.use.tensors_file import write_tensors
from promptkit.use.tuned import has_a_text_feature_per_class, logit_bias, recorded_result

PARTS = {"test": "test", "val": "val", "train": "train_x"}  # attributes of a data set


def images_of(trainer: PromptTrainer, split: str) -> list[Datum]:
    """The images of a split.

    Raises:
        ValueError: there are none.
    """
    items = getattr(trainer.dm.dataset, PARTS[split])
    if not items:
        raise ValueError(f"{dataset_name(trainer)} has no images in its split {split}.")
    return items


@torch.no_grad()
def image_features(trainer: PromptTrainer, items: list[Datum]) -> Tensor:
    """Features [N, E] of images in unit norm, fp32; prompted ones where the method prompts images.

    All are read as test images are, without augmentation.
    """
    cfg = trainer.cfg
    with contextlib.redirect_stdout(io.StringIO()):
        transform = build_transform(cfg, is_train=False)
    data = DatasetWrapper(cfg, items, transform)
    loader = DataLoader(
        data, batch_size=cfg.DATALOADER.TEST.BATCH_SIZE, num_workers=cfg.DATALOADER.NUM_WORKERS
    )
    parts = []
    for batch in tqdm(loader, desc="Encoding", unit="batch"):
        with trainer.precision.autocast():
            features = trainer.image_features(batch["img"].to(trainer.device))
        if features.dim() == 3:  # several an image: the first is what class features are for
            features = features[:, 0]
        parts.append(features.float().cpu())
    return torch.cat(parts)


@torch.no_grad()
def text_features(trainer: PromptTrainer) -> Tensor | None:
    """The classifier [C, E] in unit norm, fp32; None where it is not one text feature a class."""
    if not has_a_text_feature_per_class(trainer):
        return None
    with trainer.precision.autocast():
        return trainer.class_features().float().cpu()


def write(trainer: PromptTrainer, split: str, path: Path) -> str:
    """Writes the file; returns what is in it, in words.

    Tensors: image_features [N, E], labels [N] and, where the method has them, text_features [C, E].
    Metadata: classnames and paths (json), trainer, dataset, split, backbone, activation,
    weights_sha256, logit_scale; and logit_bias, of a CLIP that was trained with a sigmoid.
    """
    cfg, items = trainer.cfg, images_of(trainer, split)
    root = os.path.abspath(os.path.expanduser(cfg.DATASET.ROOT or "."))
    names = trainer.dm.dataset.classnames
    tensors = {
        "image_features": image_features(trainer, items).contiguous(),
        "labels": torch.tensor([item.label for item in items]),
    }
    about = f"{len(items)} images of {split}, {len(names)} classes"
    text = text_features(trainer)
    if text is None:
        about += (
            f"; no text features: {type(trainer).__name__} does not have one text feature a class "
            "for all images"
        )
    else:
        tensors["text_features"] = text.contiguous()
        hits = (tensors["image_features"] @ text.t()).argmax(dim=1) == tensors["labels"]
        about += f"; accuracy {100 * hits.float().mean():.2f} %"
    metadata = {
        "classnames": json.dumps(names),
        "paths": json.dumps([os.path.relpath(item.impath, root) for item in items]),
        "trainer": cfg.TRAINER.NAME,
        "dataset": dataset_name(trainer),
        "split": split,
        "backbone": cfg.MODEL.BACKBONE.NAME,
        "activation": trainer.clip_model.activation,
        "weights_sha256": trainer.weights_sha256,
        "logit_scale": repr(trainer.logit_scale.item()),
        **logit_bias(trainer),
    }
    write_tensors(tensors, path, metadata)
    return about


def check_shots(trainer: PromptTrainer, folder: str) -> None:
    """Raises ValueError unless the training images at hand are those of the run."""
    theirs = (recorded_result(folder) or {}).get("shot_list_sha256")
    if theirs not in (None, shot_list_hash(trainer)):
        raise ValueError(
            f"The training images that {dataset_name(trainer)} gives now are not those of "
            f"{folder}: its picks are gone, or it ran without a seed. Take --split test."
        )


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m promptkit.features", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument("file", type=Path, help="the safetensors file to write")
    parser.add_argument("--split", choices=tuple(PARTS), default="test", help="default: test")
    parser.add_argument("--root", default="", help="where the data sets are now, if elsewhere")
    add_run_options(parser, classes=False)
    options = parser.parse_args(arguments)
    if options.root:
        options.pairs.append(["DATASET.ROOT", options.root])
    try:
        trainer = open_chosen(options, with_data=True)
        if options.split == "train":
            check_shots(trainer, options.run)
        about = write(trainer, options.split, options.file)
    except (ValueError, KeyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{about}: {options.file}")
    return 0
