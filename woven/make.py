"""Makes the weights from words: `python -m woven.make`, resumable.

The sentence model embeds all captions; the text tower learns them, the image tower learns to read
pictures woven from codes around them (`--stage` does one alone: the two do not depend on each
other). The end is one fp16 file in OpenAI's state-dict format and, beside it, a record of how it
was made. What is done stands in `--work` and is not done again.
"""

import argparse
import json
import math
from pathlib import Path

import torch

from woven.shipped import save_weights
from woven.stage_pictures import train_pictures
from woven.stage_words import train_words
from woven.teacher import targets
from woven.towers import LOGIT_SCALE, new_model, set_token_norm
from woven.training import record_of
from woven.weights import WEIGHTS

STAGES = ("words", "pictures", "all")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Every figure of the training; the defaults made the shipped weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, default=WEIGHTS, help="the weights file (default: %(default)s)")
    add("--work", type=Path, default=Path("output/woven"), help="logs and resume points")
    add("--stage", choices=STAGES, default="all", help="only one stage; no file is written then")
    add("--seed", type=int, default=1)
    add("--text-width", type=int, default=128, help="a multiple of 64")
    add("--text-layers", type=int, default=4)
    add("--word-steps", type=int, default=4000)
    add("--word-batch", type=int, default=256)
    add("--word-lr", type=float, default=2e-3)
    add("--picture-steps", type=int, default=5000)
    add("--picture-batch", type=int, default=128)
    add("--picture-lr", type=float, default=2e-3)
    parser.set_defaults(device="cpu")  # ResumePoint reads it
    args = parser.parse_args(argv)
    if args.text_width < 64 or args.text_width % 64:
        parser.error(f"--text-width must be a multiple of 64; got {args.text_width}")
    if args.text_layers < 1:
        parser.error(f"--text-layers must be at least 1; got {args.text_layers}")
    return args


def main(argv: list[str] | None = None) -> None:
    """The stages, then the weights file, its record and its checksum."""
    args = parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    model = new_model(args.text_width, args.text_layers)
    texts, of_classes, meanings, kept = targets(
        args.work, model.text_projection.shape[1], args.seed
    )
    if args.stage != "pictures":
        train_words(model, args, texts, of_classes, meanings)
    if args.stage != "words":
        train_pictures(model, args, meanings)
    if args.stage != "all":
        return
    set_token_norm(model)
    model.logit_scale.data.fill_(math.log(LOGIT_SCALE))
    checksum = save_weights(model, args.out)
    record = json.dumps(record_of(args, ("words", "pictures"), variance_kept=kept)) + "\n"
    args.out.with_suffix(".json").write_text(record)
    print(f"Saved {args.out}; put this into woven/weights.py: SHA256 = {checksum!r}")


if __name__ == "__main__":
    main()
