"""The captions that the text tower learns, a list that is the same on every machine.

All class names of the eleven data sets in every sentence that methods put around a name; and names
that are in none of the lists, whole words of CLIP's own vocabulary and pairs of them, so that each
token that a user's class names may have has been read in company.
"""

import functools

import numpy as np
from clip.simple_tokenizer import SimpleTokenizer

from promptkit.guided_trainer import TEMPLATES as KGCOOP_TEMPLATES
from promptkit.prompts.class_aware import TEMPLATES as TCP_TEMPLATES
from promptkit.prompts.templates import CUSTOM_TEMPLATES, DEFAULT_TEMPLATE, IMAGENET_TEMPLATES
from woven.class_lists import REAL_SETS, whole_list

WORDS, PAIRS = 20_000, 12_000
COMMON = 6_000  # pairs are made of the commonest words
SEED = 20_261


@functools.cache
def sentences() -> tuple[str, ...]:
    """Every sentence around a class name, the default first; the bare name last."""
    methods = (CUSTOM_TEMPLATES, KGCOOP_TEMPLATES, TCP_TEMPLATES)
    own = [template for templates in methods for template in templates.values()]
    return tuple(dict.fromkeys([DEFAULT_TEMPLATE, *own, *IMAGENET_TEMPLATES, "{}"]))


@functools.cache
def class_names() -> tuple[str, ...]:
    """The class names of the eleven data sets, each once."""
    return tuple(dict.fromkeys(name for real in REAL_SETS for name in whole_list(real)))


@functools.cache
def other_names() -> tuple[str, ...]:
    """The commonest whole words of CLIP's vocabulary, and random pairs of the commonest of them."""
    vocabulary = SimpleTokenizer().encoder  # in the order in which its merges were learned
    ends = len("</w>")
    words = [token[:-ends] for token in vocabulary if token.endswith("</w>")]
    words = [word for word in words if len(word) > 2 and word.isascii() and word.isalpha()][:WORDS]
    rng = np.random.default_rng(SEED)
    pairs = [" ".join(words[i] for i in row) for row in rng.integers(0, COMMON, (PAIRS, 2))]
    return (*words, *pairs)


def captions() -> tuple[list[str], int]:
    """All captions, those of class names first, and how many these are.

    A class name is in every sentence; another one in the default, bare, and in one more.
    """
    of_classes = [s.replace("{}", name) for name in class_names() for s in sentences()]
    rng = np.random.default_rng(SEED + 1)
    more = rng.integers(0, len(sentences()), len(other_names()))
    of_others = [
        sentences()[k].replace("{}", name)
        for name, chosen in zip(other_names(), more, strict=True)
        for k in (0, len(sentences()) - 1, chosen)
    ]
    return of_classes + of_others, len(of_classes)
