"""Sentences to CLIP's token ids, with errors that name the class."""

import clip
import torch
from torch import Tensor

CONTEXT_LENGTH = 77


def count_tokens(text: str) -> int:
    """Number of BPE tokens of a text, without start and end of text."""
    return len(clip.clip._tokenizer.encode(text))


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
