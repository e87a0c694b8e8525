"""Suffixes that begin alike as a trie, whose nodes are the distinct tokens."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

SHORTEST_GROUP = 8  # tokens; shorter sequences attend together, padded


@dataclass(frozen=True)
class Group:
    """Sequences of similar length: their nodes [G, S] and the places [G] of their last tokens."""

    nodes: Tensor
    ends: Tensor

    def sequences_of(self, nodes: Tensor) -> Tensor:
        """[A, N, D] to [A * G, S, D]."""
        count, (size, length) = len(nodes), self.nodes.shape
        return nodes.index_select(1, self.nodes.flatten()).view(count * size, length, -1)


class SuffixTrie:
    """C sequences as N nodes. Two tokens are one node if all up to them is the same.

    Args:
        nodes: [C, S] the node at each place; padding is node 0.
        lengths: [C] tokens of each sequence, 1 or more.
        source: [N] of each node, one of its places in [C, S], flattened.

    Attributes:
        ends: [C] place of each sequence's last token.
        end_nodes: [C] its node.
        groups: which sequences attend together, so that one long name does not pad the rest.
        first: [N] of each node, one of its places in all groups' [G, S], flattened and joined.
        order: [C] where each sequence is in the joined groups.
    """

    def __init__(self, nodes: Tensor, lengths: Tensor, source: Tensor) -> None:
        self.nodes, self.lengths, self.source = nodes, lengths, source
        self.ends = lengths - 1
        self.end_nodes = nodes.gather(1, self.ends[:, None]).squeeze(1)
        self.groups, self.first, self.order = _grouped(nodes, lengths, len(source))
        self._made: dict[torch.device | int, SuffixTrie] = {}  # of this one: every step asks

    def __len__(self) -> int:
        return len(self.nodes)

    def to(self, device: torch.device) -> "SuffixTrie":
        """The trie on a device; itself if it is there."""
        if self.nodes.device == device:
            return self
        if device not in self._made:
            moved = copy.copy(self)
            for name, value in vars(self).items():
                if isinstance(value, Tensor):
                    setattr(moved, name, value.to(device))
            moved.groups = tuple(Group(g.nodes.to(device), g.ends.to(device)) for g in self.groups)
            moved._made = {}
            self._made[device] = moved
        return self._made[device]

    def nodes_of(self, sequences: Tensor) -> Tensor:
        """[C, S, D] to the nodes' [N, D]."""
        return sequences.flatten(0, 1).index_select(0, self.source)

    def sequences_of(self, nodes: Tensor) -> Tensor:
        """[N, D] to [C, S, D]."""
        return nodes.index_select(0, self.nodes.flatten()).unflatten(0, self.nodes.shape)

    def of_sequences(self, rows: Tensor) -> "SuffixTrie":
        """The trie of some of the sequences."""
        rows = rows.to(self.nodes.device)
        return suffix_trie(self.nodes[rows], self.lengths[rows])

    def apart(self, more: int) -> "SuffixTrie":
        """Of the sequences with `more` tokens in front that differ between all: none is shared."""
        if more not in self._made:
            count, width = len(self.nodes), more + self.nodes.shape[1]
            lengths = self.lengths + more
            places = torch.arange(width, device=self.nodes.device)
            place, row = (places[:, None] < lengths).nonzero().unbind(1)
            nodes = self.nodes.new_zeros(count, width)
            nodes[row, place] = torch.arange(len(row), device=row.device)
            self._made[more] = SuffixTrie(nodes, lengths, row * width + place)
        return self._made[more]


def suffix_trie(ids: Tensor, lengths: Tensor) -> SuffixTrie:
    """The trie of sequences `ids` [C, S], of which the first `lengths` [C] count (1 or more)."""
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
    return SuffixTrie(nodes, lengths, torch.cat(source))


def _grouped(
    nodes: Tensor, lengths: Tensor, num_nodes: int
) -> tuple[tuple[Group, ...], Tensor, Tensor]:
    """Few groups; above SHORTEST_GROUP within each at most twice the tokens that are needed."""
    rows = torch.arange(len(nodes), device=nodes.device)
    bucket = lengths.clamp(min=SHORTEST_GROUP).log2().ceil()
    members = [rows[bucket == size] for size in torch.unique(bucket)]
    groups = tuple(Group(nodes[m, : int(lengths[m].max())], lengths[m] - 1) for m in members)
    joined = torch.cat([group.nodes.flatten() for group in groups])
    real = torch.cat(
        [
            (torch.arange(g.nodes.shape[1], device=nodes.device) <= g.ends[:, None]).flatten()
            for g in groups
        ]
    ).nonzero()[:, 0]  # padding is node 0, but has seen other tokens
    first = _one_of_each(joined[real], real, num_nodes)
    return groups, first, torch.cat(members).argsort()


def _one_of_each(which: Tensor, values: Tensor, count: int) -> Tensor:
    """For each of 0 ... count - 1 the least of `values` where `which` is it."""
    least = values.new_full((count,), torch.iinfo(values.dtype).max)
    return least.scatter_reduce(0, which, values, "amin")
