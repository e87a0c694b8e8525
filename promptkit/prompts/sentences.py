"""Sentences with a class name in them: whole ones, and ones with places for learned vectors."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.encoders.suffix_trie import suffix_trie
from promptkit.encoders.text_encoder import Injection, Prompts, encode_prompts
from promptkit.prompts.templates import fill


def fixed_prompts(
    model: Backbone, sentences: list[str], *, classnames: list[str] | None = None
) -> Prompts:
    """Prompts of whole sentences; words that all begin with are the prefix.

    Args:
        model: the CLIP that will encode them.
        sentences: C of them.
        classnames: what each is about, for messages.
    """
    tokens = model.tokenizer(sentences, classnames=classnames)
    ends = model.tokenizer.ends(tokens)
    start = _num_shared(tokens, ends)
    embedded = embed(model, tokens[:, : int(ends.max()) + 1])
    tree = suffix_trie(tokens[:, start : int(ends.max()) + 1], ends - start + 1)
    tree.behind(start)
    return Prompts(embedded[0, :start], embedded[:, start:], tree)


def _num_shared(tokens: Tensor, ends: Tensor) -> int:
    """How many tokens all sentences begin with; an end of text is never shared."""
    same = (tokens == tokens[:1]).all(dim=0)[: int(ends.min())]
    return len(same) if same.all() else int(same.logical_not().nonzero()[0])


@torch.no_grad()
def embed(model: Backbone, tokens: Tensor) -> Tensor:
    """Embeddings [..., D] of token ids, without positions."""
    return model.token_embedding(tokens.to(model.token_embedding.weight.device))


@torch.no_grad()
def template_features(
    model: Backbone,
    classnames: list[str],
    templates: tuple[str, ...],
    *,
    normalize: str = "each",
) -> Tensor:
    """Hand-crafted text features [C, E]: a mean over templates.

    Args:
        model: the CLIP that encodes them.
        classnames: C names.
        templates: sentences with `{}`.
        normalize: "each" (CoOp's way): in unit norm, as each template's features in the mean are;
            "mean": the mean alone is; "none": nothing is, they are as long as the encoder's.
    """
    total = 0
    for template in templates:
        sentences = [fill(template, name) for name in classnames]
        features = encode_prompts(model, fixed_prompts(model, sentences, classnames=classnames))
        norm = features.norm(dim=-1, keepdim=True) if normalize == "each" else 1
        total = total + features / norm
    return total / (len(templates) if normalize == "none" else total.norm(dim=-1, keepdim=True))


@torch.no_grad()
def sentence_features(
    model: Backbone, sentences: Sequence[str], *, normalize: bool = True, at_once: int = 512
) -> Tensor:
    """Text features [N, E] of sentences that share nothing but by chance; in unit norm.

    Args:
        model: the CLIP that encodes them.
        sentences: N of them.
        normalize: whether they are brought to unit norm.
        at_once: how many are encoded at a time, in alphabetical order: neighbours begin alike.
    """
    order = sorted(range(len(sentences)), key=sentences.__getitem__)
    parts = [
        encode_prompts(model, fixed_prompts(model, [sentences[row] for row in rows]))
        for rows in (order[first : first + at_once] for first in range(0, len(order), at_once))
    ]
    features = torch.cat(parts)[torch.tensor(order).argsort().to(parts[0].device)]
    return features / features.norm(dim=-1, keepdim=True) if normalize else features


class SentenceSlots(nn.Module):
    """Sentences about each class with tokens left open for learned vectors: the first M, mostly.

    It has no parameters, and nothing of it is in a state dict: the class list is not trained.

    Args:
        model: the CLIP whose embeddings are used.
        classnames: C names.
        template: a sentence with `{}`; its first M tokens are those that are replaced.
        num_slots: M.
        before: further open places in front of those: pairs of how many are open, and how many
            tokens behind them stay as they are.

    Raises:
        ValueError: less tokens than these stand before the class name.
    """

    def __init__(
        self,
        model: Backbone,
        classnames: list[str],
        *,
        template: str,
        num_slots: int,
        before: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        tokenizer = model.tokenizer
        self.before, self.skipped = tuple(before), sum(map(sum, before))
        places = self.skipped + num_slots
        if tokenizer.count(template.partition("{}")[0]) < places:
            raise ValueError(
                f"At least {places} tokens must stand before the class name, one for each "
                f"context token; the sentence is '{template}'."
            )
        sentences = [fill(template, name) for name in classnames]
        tokens, start = tokenizer(sentences, classnames=classnames), len(tokenizer.start)
        ends = tokenizer.ends(tokens)
        shared = _num_shared(tokens, ends)
        embedded = embed(model, tokens[:, : int(ends.max()) + 1]).float()
        for name, part in (
            ("start", embedded[0, :start]),
            ("skipped_words", embedded[0, start : start + self.skipped]),
            ("shared", embedded[0, start + places : shared]),
            ("suffix", embedded[:, shared:]),
        ):
            self.register_buffer(name, part, persistent=False)
        self.tree = suffix_trie(tokens[:, shared : int(ends.max()) + 1], ends - shared + 1)
        self.tree.behind(shared)

    def forward(
        self,
        context: Tensor,
        *,
        deep: Iterable[Tensor] = (),
        injection: Injection | None = None,
        before: Iterable[Tensor] = (),
    ) -> Prompts:
        """The prompts with `context` [M, D], or [A, M, D], in the open places.

        `before` are the vectors of the places in front of those, [N, D] each.
        """
        parts, place = [self.start], 0
        for vectors, (num_open, num_kept) in zip(before, self.before, strict=True):
            place += num_open + num_kept
            parts += [vectors, self.skipped_words[place - num_kept : place]]
        parts += [context, self.shared]
        if context.dim() == 3:
            parts = [part.expand(len(context), -1, -1) for part in parts]
        return Prompts(
            torch.cat(parts, dim=-2), self.suffix, self.tree, tuple(deep), injection,
            skipped=self.skipped,
        )  # fmt: skip
