"""Sentences to token ids, with errors that name the class."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from promptkit.backbones.installed_clip import clip

MAX_GROUPS = 5  # of names in a warning
PLACEHOLDERS = "X", "a", "the"  # words of one token, tried in this order


@dataclass(frozen=True)
class Tokenizer:
    """Of one text encoder.

    Attributes:
        encode: a text to the ids of its words, without start and end.
        decode: an id to its text.
        context_length: L, tokens of every sequence.
        start: ids in front of the words.
        end: id behind them.
        pad: id in what is left.
    """

    encode: Callable[[str], list[int]]
    decode: Callable[[int], str]
    context_length: int = 77
    start: tuple[int, ...] = (49406,)
    end: int = 49407
    pad: int = 0

    def __call__(self, sentences: list[str], *, classnames: list[str] | None = None) -> Tensor:
        """Token ids [C, L]: start, the sentence, end, padding.

        Raises:
            ValueError: a sentence has more than L tokens; the message names the class.
        """
        tokens = torch.full((len(sentences), self.context_length), self.pad)
        for index, sentence in enumerate(sentences):
            ids = [*self.start, *self.encode(sentence), self.end]
            if len(ids) > self.context_length:
                about = f"Class name '{classnames[index]}'" if classnames else "A sentence"
                raise ValueError(
                    f"{about} is too long for CLIP: its prompt '{_shorten(sentence)}' has "
                    f"{len(ids)} tokens, at most {self.context_length} fit. Shorten the class name "
                    "or the context."
                )
            tokens[index, : len(ids)] = torch.tensor(ids)
        return tokens

    def count(self, text: str) -> int:
        """Number of tokens of a text, without start and end."""
        return len(self.encode(text))

    def ends(self, tokens: Tensor) -> Tensor:
        """Position [C] of the end in token ids [C, L]."""
        return (tokens == self.end).int().argmax(dim=-1)

    def outline(self, ends: Tensor) -> Tensor:
        """Token ids [C, L] with the end at `ends` [C], padding behind it, and some word before."""
        word = next(id_ for id_ in range(1, 4) if id_ not in (self.pad, self.end))
        places, ends = torch.arange(self.context_length, device=ends.device), ends[:, None]
        ids = torch.where(places < ends, word, self.pad)
        return torch.where(places == ends, self.end, ids)

    def placeholder(self, count: int) -> str:
        """So many words of one token each, to stand where learned vectors come.

        Raises:
            ValueError: no word that is tried is one token.
        """
        for word in PLACEHOLDERS:
            words = " ".join([word] * count)
            if self.count(words) == count:
                return words
        raise ValueError(
            f"The tokenizer of this backbone has no single token for any of the words "
            f"{', '.join(PLACEHOLDERS)}, in whose place learned vectors could stand."
        )


CLIP_TOKENIZER = Tokenizer(clip.clip._tokenizer.encode, clip.clip._tokenizer.decoder.__getitem__)


def readable(classname: str) -> str:
    """A class name as it is put into a sentence: underscores are spaces."""
    return classname.replace("_", " ")


def same_words(classnames: list[str], tokenizer: Tokenizer = CLIP_TOKENIZER) -> list[list[str]]:
    """Groups of two or more names that are the same words to CLIP, in the order of the names.

    It reads lower case, and an underscore or several blanks as one blank.
    """
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in classnames:
        groups.setdefault(tuple(tokenizer.encode(readable(name))), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def warning_of_same_words(classnames: list[str], tokenizer: Tokenizer = CLIP_TOKENIZER) -> str:
    """A line for people about the classes that CLIP cannot tell apart by name; "" if it can."""
    groups = same_words(classnames, tokenizer)
    if not groups:
        return ""
    shown = "; ".join(" = ".join(map(repr, names)) for names in groups[:MAX_GROUPS])
    more = f"; and {len(groups) - MAX_GROUPS} more" if len(groups) > MAX_GROUPS else ""
    return (
        f"Warning: class names that are the same words to CLIP: {shown}{more}. Of such classes "
        "only the first is predicted, unless something is learned for each class: rename the "
        "others, or join them."
    )


def _shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
