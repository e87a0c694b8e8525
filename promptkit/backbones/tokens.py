"""Sentences to CLIP's token ids, with errors that name the class."""

import torch
from torch import Tensor

from promptkit.backbones.installed_clip import clip

CONTEXT_LENGTH = 77
MAX_GROUPS = 5  # of names in a warning


def readable(classname: str) -> str:
    """A class name as it is put into a sentence: underscores are spaces."""
    return classname.replace("_", " ")


def count_tokens(text: str) -> int:
    """Number of BPE tokens of a text, without start and end of text."""
    return len(clip.clip._tokenizer.encode(text))


def same_words(classnames: list[str]) -> list[list[str]]:
    """Groups of two or more names that are the same words to CLIP, in the order of the names.

    It reads lower case, and an underscore or several blanks as one blank.
    """
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in classnames:
        groups.setdefault(tuple(clip.clip._tokenizer.encode(readable(name))), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def warning_of_same_words(classnames: list[str]) -> str:
    """A line for people about the classes that CLIP cannot tell apart by name; "" if it can."""
    groups = same_words(classnames)
    if not groups:
        return ""
    shown = "; ".join(" = ".join(map(repr, names)) for names in groups[:MAX_GROUPS])
    more = f"; and {len(groups) - MAX_GROUPS} more" if len(groups) > MAX_GROUPS else ""
    return (
        f"Warning: class names that are the same words to CLIP: {shown}{more}. Of such classes "
        "only the first is predicted, unless something is learned for each class: rename the "
        "others, or join them."
    )


def tokenize(sentences: list[str], *, classnames: list[str] | None = None) -> Tensor:
    """Token ids [C, 77]: start of text, the sentence, end of text, zeros.

    Raises:
        ValueError: a sentence is longer than 77 tokens; the message names the class.
    """
    for index, sentence in enumerate(sentences):
        length = count_tokens(sentence) + 2
        if length > CONTEXT_LENGTH:
            about = f"Class name '{classnames[index]}'" if classnames else "A sentence"
            raise ValueError(
                f"{about} is too long for CLIP: its prompt '{_shorten(sentence)}' has {length} "
                f"tokens, at most {CONTEXT_LENGTH} fit. Shorten the class name or the context."
            )
    return clip.tokenize(sentences).long()


def end_of_text(tokens: Tensor) -> Tensor:
    """Position [C] of the end-of-text token, the largest id of the vocabulary."""
    return torch.argmax(tokens, dim=-1)


def _shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
