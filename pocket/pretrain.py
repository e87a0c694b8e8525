"""Trains the pocket CLIP from nothing but the world: `python -m pocket.pretrain`.

Two stages, pictures before words, because shape is slow to learn and words are not. Both save what
they need to go on under `--work` and resume when started again. The end is one fp16 file in
OpenAI's state-dict format, which `clip.load` opens, and beside it a record of the training, from
which the model card draws.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from pocket.captions import Rates
from pocket.stage_images import train_images
from pocket.stage_words import train_words
from pocket.towers import new_model
from pocket.weights import WEIGHTS
from woven.shipped import save_weights
from woven.training import record_of


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Every figure of the training; the defaults made the shipped weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, default=WEIGHTS, help="the weights file (default: %(default)s)")
    add("--work", type=Path, default=Path("output/pocket"), help="logs and resume points")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--seed", type=int, default=1)
    add("--image-steps", type=int, default=6000)
    add("--image-restart", type=int, default=4000, help="step of a second warm-up, 0 for none")
    add("--image-batch", type=int, default=128)
    add("--image-lr", type=float, default=1e-3)
    add("--scenes", type=int, default=60_000, help="scenes whose features stage 2 stores")
    add("--word-steps", type=int, default=1500)
    add("--word-batch", type=int, default=256)
    add("--word-lr", type=float, default=1e-3)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Both stages, then the weights file, its record and its checksum."""
    args = parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    model = new_model()
    train_images(model, args)
    train_words(model, args)
    checksum = save_weights(model, args.out)
    attributes = json.loads((args.work / "attributes.json").read_text())
    record = record_of(args, ("images", "words"), rates=asdict(Rates()), attributes=attributes)
    args.out.with_suffix(".json").write_text(json.dumps(record) + "\n")
    print(f"Saved {args.out}; put this into pocket/weights.py: SHA256 = {checksum!r}")


if __name__ == "__main__":
    main()
