"""Lists the backbones that can be opened.

python -m promptkit.backbones [WORD ...] [--cached]
"""

import argparse
import sys

from tabulate import tabulate

from promptkit import clone
from promptkit.backbones.embedded import EMBEDDED
from promptkit.backbones.facts import Facts, facts_of
from promptkit.backbones.loading import local_weights
from promptkit.backbones.open_clip_names import PREFIX, library
from promptkit.backbones.openai_clip import ARCHITECTURES

HEADERS = ("MODEL.BACKBONE.NAME", "pixels", "text", "joint", "image encoder", "image prompts",
           "text path", "weights")  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m promptkit.backbones", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="that the names have, all of them")
    parser.add_argument("--cached", action="store_true", help="only those that need no download")
    options = parser.parse_args(arguments)
    names, note = _names()
    words = [word.lower() for word in options.words]
    chosen = [name for name in names if all(word in name.lower() for word in words)]
    facts = [facts_of(name) for name in chosen]
    facts = [one for one in facts if one.in_cache or not options.cached]
    possible = [one for one in facts if not one.why_not]
    print(tabulate([_row(one) for one in possible], headers=HEADERS))
    left = len(facts) - len(possible)
    print(f"\n{len(possible)} backbones; text and joint: widths; path whole: no tokens are shared")
    if left:
        print(f"{left} more of open_clip have a text encoder of transformers: not supported")
    own = [f"{name} ({local_weights(name)[0]}), " for name in EMBEDDED if clone.IS_CLONE]
    print(f"Also {''.join(own)}{'and ' if own else ''}weights files by their path{note}")
    return 0


def _names() -> tuple[list[str], str]:
    """All names, and what to add to the last line."""
    try:
        pairs = library().list_pretrained()
    except ValueError as error:
        return list(ARCHITECTURES), f"\n{error}"
    return [*ARCHITECTURES, *(f"{PREFIX}{model}@{tag}" for model, tag in pairs)], ""


def _row(facts: Facts) -> tuple[str | int, ...]:
    return (
        facts.name,
        facts.images.size,
        facts.text_width,
        facts.embed_dim,
        facts.image_encoder,
        "yes" if facts.has_image_tokens else "no",
        "fast" if facts.shares else "whole",
        "in cache" if facts.in_cache else "download",
    )


if __name__ == "__main__":
    sys.exit(main())
