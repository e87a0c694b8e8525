"""Token sequences that begin alike as a tree, whose nodes are the distinct tokens."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

SHORTEST_GROUP = 8  # tokens; shorter sequences attend together, padded


@dataclass(frozen=True)
class SuffixTree:
    """C sequences as a tree of N nodes. Two tokens are one node if all up to them is the same.

    Attributes:
        nodes: [C, S] the node at each place; padding is node 0.
        ends: [C] place of each sequence's last token.
        source: [N] of each node, one of its places in [C, S], flattened.
        groups: which sequences attend together, so that one long name does not pad the rest.
        first: [N] of each node, one of its places in all groups' [G, S], flattened and joined.
        order: [C] where each sequence is in the joined groups.
        made: trees made from this one, by device or number of tokens in front: every step asks.
    """

    nodes: Tensor
    ends: Tensor
    source: Tensor
    groups: tuple["Group", ...]
    first: Tensor
    order: Tensor
    made: dict = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.nodes)

    def to(self, device: torch.device) -> "SuffixTree":
        """The tree on a device; itself if it is there."""
        if self.nodes.device == device:
            return self
        if device not in self.made:
            groups = tuple(Group(g.nodes.to(device), g.ends.to(device)) for g in self.groups)
            names = ("nodes", "ends", "source", "first", "order")
            moved = {name: getattr(self, name).to(device) for name in names}
            self.made[device] = replace(self, groups=groups, made={}, **moved)
        return self.made[device]

    @property
    def end_nodes(self) -> Tensor:
        """[C] each sequence's last node."""
        return self.nodes.gather(1, self.ends[:, None]).squeeze(1)

    def nodes_of(self, sequences: Tensor) -> Tensor:
        """[C, S, D] to the nodes' [N, D]."""
        return sequences.flatten(0, 1).index_select(0, self.source)

    def sequences_of(self, nodes: Tensor) -> Tensor:
        """[N, D] to [C, S, D]."""
        return nodes.index_select(0, self.nodes.flatten()).unflatten(0, self.nodes.shape)

    def of_suffixes(self, rows: Tensor) -> "SuffixTree":
        """The tree of some of the sequences."""
        rows = rows.to(self.nodes.device)
        return suffix_tree(self.nodes[rows], self.ends[rows] + 1)

    def apart(self, more: int) -> "SuffixTree":
        """The tree of the sequences with `more` tokens in front that differ between all."""
        if more not in self.made:
            count, length = self.nodes.shape
            ids = torch.arange(count * (more + length), device=self.nodes.device)
            self.made[more] = suffix_tree(ids.view(count, -1), self.ends + 1 + more)
        return self.made[more]


@dataclass(frozen=True)
class Group:
    """Sequences of similar length: their nodes [G, S] and the places [G] of their last tokens."""

    nodes: Tensor
    ends: Tensor

    def sequences_of(self, nodes: Tensor) -> Tensor:
        """[A, N, D] to [A * G, S, D]."""
        count, (size, length) = len(nodes), self.nodes.shape
        return nodes.index_select(1, self.nodes.flatten()).view(count * size, length, -1)


def suffix_tree(ids: Tensor, lengths: Tensor) -> SuffixTree:
    """The tree of sequences `ids` [C, S], of which the first `lengths` [C] count (1 or more)."""
    count, width = ids.shape
    lengths, rows = lengths.to(ids.device), torch.arange(count, device=ids.device)
    ids = torch.unique(ids, return_inverse=True)[1]  # from 0
    nodes, parents, source = torch.zeros_like(ids), torch.zeros_like(rows), []
    total = 0
    for place in range(int(lengths.max())):
        inside = rows[lengths > place]
        path = parents[inside] * ids.numel() + ids[inside, place]
        distinct, which = torch.unique(path, return_inverse=True)
        nodes[inside, place] = parents[inside] = total + which
        total += len(distinct)
        source.append(_one_of_each(which, inside, len(distinct)) * width + place)
    # Few groups; above SHORTEST_GROUP within each at most twice the tokens that are needed.
    bucket = lengths.clamp(min=SHORTEST_GROUP).log2().ceil()
    members = [rows[bucket == size] for size in torch.unique(bucket)]
    groups = tuple(Group(nodes[m, : int(lengths[m].max())], lengths[m] - 1) for m in members)
    joined = torch.cat([group.nodes.flatten() for group in groups])
    real = torch.cat(
        [
            (torch.arange(g.nodes.shape[1], device=ids.device) <= g.ends[:, None]).flatten()
            for g in groups
        ]
    ).nonzero()[:, 0]  # padding is node 0, but has seen other tokens
    first = _one_of_each(joined[real], real, total)
    order = torch.cat(members).argsort()
    return SuffixTree(nodes, lengths - 1, torch.cat(source), groups, first, order)


def _one_of_each(which: Tensor, values: Tensor, count: int) -> Tensor:
    """For each of 0 ... count - 1 the least of `values` where `which` is it."""
    least = values.new_full((count,), torch.iinfo(values.dtype).max)
    return least.scatter_reduce(0, which, values, "amin")
