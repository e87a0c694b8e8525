"""CoOp's learnable context tokens around a class name."""

import torch
from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.backbones.tokens import readable
from promptkit.encoders.suffix_trie import SuffixTrie, suffix_trie
from promptkit.encoders.text_encoder import Prompts
from promptkit.prompts.initial_context import all_words
from promptkit.prompts.sentences import embed

POSITIONS = ("end", "middle", "front")


class ContextPrompts(nn.Module):
    """CoOp's learnable context: "[v_1] ... [v_M] <class>." (arXiv:2109.01134, section 3.2).

    The only parameter is `ctx`, [M, D], or [C, M, D] when class-specific, always fp32. Nothing
    that depends on the class list is in the state dict, so a shared context loads for any classes.

    Args:
        model: the CLIP whose embeddings are used.
        classnames: C names; underscores are read as spaces.
        num_context: M, ignored when `init` gives words.
        init: words that the context starts from; "" draws from N(0, 0.02).
        class_specific: one context per class (with `init`: each starts from the same words).
        position: where the class name stands: after ("end"), amid ("middle") or before ("front")
            the context.
    """

    def __init__(
        self,
        model: Backbone,
        classnames: list[str],
        *,
        num_context: int,
        init: str = "",
        class_specific: bool = False,
        position: str = "end",
    ) -> None:
        super().__init__()
        init = readable(init)
        if init and model.tokenizer.count(init) != num_context:
            print(f"N_CTX {num_context} has no effect: the words of CTX_INIT give the number")
        copies = (len(classnames),) if class_specific else ()
        start = all_words(model, num_context, init, copies=copies)
        self.initial_words = start.words
        self.position, self.class_specific = position, class_specific
        self.ctx = nn.Parameter(start.vectors)
        print(
            f"Initializing {'class-specific contexts' if class_specific else 'a generic context'}"
        )
        print(f'Initial context: "{start.words}"')
        print(f"Number of context words (tokens): {self.num_context}")
        self._embed_classes(model, [readable(name) for name in classnames])

    def _embed_classes(self, model: Backbone, names: list[str]) -> None:
        tokenizer = model.tokenizer
        placeholder = tokenizer.placeholder(self.num_context)
        words = [f"{placeholder} {name}" for name in names]
        tokens = tokenizer([f"{sentence}." for sentence in words], classnames=names)
        ends, start = tokenizer.ends(tokens), len(tokenizer.start)
        behind = start + self.num_context
        embedded = embed(model, tokens[:, : int(ends.max()) + 1]).float()
        lengths = [tokenizer.count(sentence) - self.num_context for sentence in words]
        # Not persistent: they belong to a class list, a checkpoint fits every class list.
        self.register_buffer("start", embedded[0, :start], persistent=False)
        self.register_buffer("names", embedded[:, behind:], persistent=False)
        self.register_buffer("order", self._suffix_order(lengths), persistent=False)
        self.tree = self._tree(tokens[:, behind : int(ends.max()) + 1], ends - start + 1)
        self.tree.behind(start + (0 if self.class_specific else self._num_shared_context))

    @property
    def num_context(self) -> int:
        """M, the number of context tokens."""
        return self.ctx.shape[-2]

    @property
    def _num_shared_context(self) -> int:
        """How many context tokens stand before the class name, and so are the same for all."""
        return {"end": self.num_context, "middle": self.num_context // 2, "front": 0}[self.position]

    def _suffix_order(self, lengths: list[int]) -> Tensor:
        """[C, S]: which of [context after the name, name and full stop] stands where.

        `lengths` are the names', in tokens.
        """
        num_tail = self.num_context - self._num_shared_context
        tail, rest = torch.arange(num_tail), num_tail + torch.arange(self.names.shape[1])
        return torch.stack([torch.cat([rest[:n], tail, rest[n:]]) for n in lengths])

    def _tree(self, names: Tensor, lengths: Tensor) -> SuffixTrie:
        """Of the suffixes; `names` [C, S] are token ids, negative ids stand for context tokens.

        `lengths` [C] are those of the sentences without their start.
        """
        context = -1 - torch.arange(self.ctx[..., 0].numel()).view(self.ctx.shape[:-1])
        shared = 0 if self.class_specific else self._num_shared_context
        tail = context.expand(len(names), -1)[:, self._num_shared_context :]
        ids = torch.cat([tail, names], dim=1).gather(1, self.order)
        if self.class_specific:
            ids = torch.cat([context[:, : self._num_shared_context], ids], dim=1)
        return suffix_trie(ids, lengths - shared)

    def forward(self) -> Prompts:
        """The prompts of all classes."""
        before = self._num_shared_context
        context = self.ctx if self.class_specific else self.ctx.expand(len(self.names), -1, -1)
        parts = torch.cat([context[:, before:], self.names], dim=1)
        suffix = parts.gather(1, self.order[..., None].expand(-1, -1, parts.shape[2]))
        if self.class_specific:
            return Prompts(self.start, torch.cat([context[:, :before], suffix], 1), self.tree)
        return Prompts(torch.cat([self.start, self.ctx[:before]]), suffix, self.tree)
