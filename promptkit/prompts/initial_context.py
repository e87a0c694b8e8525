"""What learned context vectors start from: random ones, or words by the rule of a method."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.backbones.tokens import readable
from promptkit.prompts.sentences import embed

INIT_STD = 0.02  # of random vectors, CoOp's value


@dataclass(frozen=True)
class InitialContext:
    """Vectors, fp32, and what stands for them in a sentence.

    Attributes:
        vectors: [M, D], or [C, M, D] where each class has its own.
        words: that the sentence begins with; "X X ..." for random vectors.
    """

    vectors: Tensor
    words: str


def random_context(
    model: Backbone, num_context: int, *, copies: tuple[int, ...] = ()
) -> InitialContext:
    """M vectors of N(0, 0.02), `copies` times."""
    shape = (*copies, num_context, model.text_width)
    return InitialContext(random_vectors(shape), model.tokenizer.placeholder(num_context))


def random_vectors(shape: tuple[int, ...]) -> Tensor:
    """N(0, 0.02), as CoOp and MaPLe draw them."""
    return nn.init.normal_(torch.empty(shape), std=INIT_STD)


def all_words(
    model: Backbone, num_context: int, words: str, *, copies: tuple[int, ...] = ()
) -> InitialContext:
    """CoOp's rule: all tokens of some words, whatever their number; without words M random vectors.

    CoOp's code counts words where this counts tokens: with a word of several tokens its context
    leaves out the last ones, which stay as they are. For "a photo of a" both are the same.
    """
    words = readable(words)
    if not words:
        return random_context(model, num_context, copies=copies)
    vectors = word_vectors(model, words)
    return InitialContext(vectors.expand(*copies, *vectors.shape).clone(), words)


def first_words(model: Backbone, num_context: int, words: str) -> InitialContext:
    """MaPLe's rule: the first M tokens of some words, where M is 4 or less; else random vectors.

    The sentence then begins with all of the words; those beyond the first M tokens stay as they
    are.

    Raises:
        ValueError: the words have less than M tokens.
    """
    words = readable(words)
    if not words or num_context > 4:
        if words:
            print(f"CTX_INIT has no effect with {num_context} context tokens, only with 4 or less")
        return random_context(model, num_context)
    vectors = word_vectors(model, words)
    if len(vectors) < num_context:
        raise ValueError(
            f"CTX_INIT must have at least as many tokens as there are context tokens, "
            f"{num_context}; '{words}' has {len(vectors)}. Give more words, or none."
        )
    return InitialContext(vectors[:num_context].clone(), words)


def last_words(model: Backbone, num_context: int, words: str) -> InitialContext:
    """ProGrad's rule: words in the last places, counted by spaces, and zeros before them.

    A sentence with a comma leaves its last token behind the context as a fixed word.

    Raises:
        ValueError: there are more than M words.
    """
    words = readable(words)
    if not words:
        return random_context(model, num_context)
    count = len(words.split(" "))
    if count > num_context:
        raise ValueError(
            f"N_CTX must be at least {count}, the words of '{words}'; got {num_context}."
        )
    vectors = torch.zeros(num_context, model.text_width)
    vectors[num_context - count :] = word_vectors(model, words)[:count].cpu()
    before = [model.tokenizer.placeholder(num_context - count)] if num_context > count else []
    return InitialContext(vectors, " ".join([*before, words]))


def word_vectors(model: Backbone, words: str) -> Tensor:
    """fp32 embeddings [N, D] of the N tokens of some words."""
    return embed(model, torch.tensor(model.tokenizer.encode(words))).float()
