"""The words of CLIP's vocabulary that are nearest to each learned context token.

python -m promptkit.interpret RUN [--top 5]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import torch
from tabulate import tabulate
from torch import Tensor

from promptkit.trainer import PromptTrainer
from promptkit.use.run_options import add_run_options, open_chosen


def nearest_words(
    vectors: Tensor, vocabulary: Tensor, decode: Callable[[int], str], *, top: int
) -> list[list[tuple[str, float]]]:
    """For each of the vectors [M, D] the `top` nearest rows of `vocabulary` [V, D].

    `decode` gives the text of a row.

    Returns:
        Per vector (word, Euclidean distance), the nearest first, as in CoOp's paper
        (arXiv:2109.01134).
    """
    distances = torch.cdist(
        vectors.float(), vocabulary.float(), compute_mode="donot_use_mm_for_euclid_dist"
    )  # exact
    found = distances.topk(top, largest=False)
    return [
        [(decode(i).replace("</w>", ""), d) for d, i in zip(ds, rows, strict=True)]
        for ds, rows in zip(found.values.tolist(), found.indices.tolist(), strict=True)
    ]


def shared_context(trainer: PromptTrainer) -> Tensor:
    """The learned context [M, D].

    Raises:
        ValueError: the method has none, or one for each class.
    """
    context = dict(getattr(trainer, "learner", torch.nn.Module()).named_parameters()).get("ctx")
    if context is None or context.dim() != 2:
        raise ValueError(
            f"{type(trainer).__name__} has no context that all classes share, so there is nothing "
            "to compare with words. Give a run of a method that has (CoOp, CoCoOp, E2MIM ...)."
        )
    width = trainer.clip_model.text_width
    if context.shape[1] != width:
        raise ValueError(
            f"The context of {type(trainer).__name__} is of the image encoder (width "
            f"{context.shape[1]}, words have {width}). Give a run of a method with text prompts."
        )
    return context.detach()


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m promptkit.interpret", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument("--top", type=int, default=5, help="words a token")
    add_run_options(parser, classes=False)
    options = parser.parse_args(arguments)
    if options.top < 1:
        parser.error(f"--top must be 1 or more; got {options.top}")
    try:
        trainer = open_chosen(options, stand_in=["object"])
        context = shared_context(trainer)
    except (ValueError, KeyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    model = trainer.clip_model
    words = nearest_words(
        context, model.token_embedding.weight, model.tokenizer.decode, top=options.top
    )
    rows = [
        (number, ", ".join(f"{word} ({distance:.3f})" for word, distance in nearest))
        for number, nearest in enumerate(words, 1)
    ]
    print(tabulate(rows, headers=("context token", "nearest words (distance)")))
    return 0
