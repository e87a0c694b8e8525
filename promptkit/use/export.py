"""Writes what a run has tuned as a classifier for plain CLIP: class names and text features.

python -m promptkit.export RUN classifier.safetensors [--classes NAMES|FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from promptkit.trainer import PromptTrainer
from promptkit.use.run_options import add_run_options, open_chosen
from promptkit.use.tensors_file import write_tensors
from promptkit.use.tuned import has_a_text_feature_per_class, logit_bias


def export(trainer: PromptTrainer, path: Path) -> None:
    """Writes the tensor `text_features` [C, E], in unit norm, fp32; the rest as metadata.

    Metadata: classnames (json), logit_scale, trainer, backbone, activation, weights_sha256; and
    logit_bias, of a CLIP that was trained with a sigmoid.

    Raises:
        ValueError: the method prompts the image encoder or has text features for each image:
            plain CLIP's image features would not fit.
    """
    if not has_a_text_feature_per_class(trainer) or not trainer.has_frozen_images:
        raise ValueError(
            f"{type(trainer).__name__} is more than one text feature a class, so plain CLIP cannot "
            "apply it. Use python -m promptkit.predict, or a method that prompts the text alone "
            "(CoOp, KgCoOp, ProGrad, TCP, DeKg, E2MIM)."
        )
    with torch.no_grad(), trainer.precision.autocast():
        features = trainer.class_features().float().cpu().contiguous()
    metadata = {
        "classnames": json.dumps(trainer.dm.dataset.classnames),
        "logit_scale": repr(trainer.logit_scale.item()),
        "trainer": type(trainer).__name__,
        "backbone": trainer.cfg.MODEL.BACKBONE.NAME,
        "activation": trainer.clip_model.activation,
        "weights_sha256": trainer.weights_sha256,
        **logit_bias(trainer),
    }
    write_tensors({"text_features": features}, path, metadata)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m promptkit.export", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument("file", type=Path, help="the safetensors file to write")
    add_run_options(parser)
    options = parser.parse_args(arguments)
    try:
        trainer = open_chosen(options)
        export(trainer, options.file)
    except (ValueError, KeyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(trainer.dm.dataset.classnames)} classes written to {options.file}")
    return 0
