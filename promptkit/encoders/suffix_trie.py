"""Suffixes that begin alike as a trie, whose nodes are the distinct tokens."""

import copy

import torch
from torch import Tensor

WORTH_A_GROUP = 4096  # tokens of padding: attention over these costs what a group's pieces do


class SuffixTrie:
    """C sequences as N nodes. Two tokens are one node if all up to them is the same.

    Args:
        nodes: [C, S] the node at each place; padding is node 0.
        lengths: [C] tokens of each sequence, 1 or more.
        source: [N] of each node, one of its places in [C, S], flattened.

    Attributes:
        ends: [C] place of each sequence's last token.
        end_nodes: [C] its node.
        groups: nodes [G, S] of the sequences that attend together, padded with node 0 at the end;
            where it pays there are several, so that one long name does not pad the rest.
        first: [N] of each node, one of its places in all groups, flattened and joined.
        last: [C] of each sequence, the place of its last token there.
    """

    def __init__(self, nodes: Tensor, lengths: Tensor, source: Tensor) -> None:
        self.nodes, self.lengths, self.source = nodes, lengths, source
        self.ends = lengths - 1
        self.end_nodes = nodes.gather(1, self.ends[:, None]).squeeze(1)
        self.groups, self.first, self.last = _grouped(nodes, lengths, len(source))
        self._made: dict[torch.device | tuple[str, int], SuffixTrie] = {}  # every step asks

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
            moved.groups = tuple(group.to(device) for group in self.groups)
            tries = ((key, made) for key, made in self._made.items() if isinstance(key, tuple))
            moved._made = {key: made.to(device) for key, made in tries}
            self._made[device] = moved
        return self._made[device]

    def nodes_of(self, sequences: Tensor) -> Tensor:
        """[C, S, D] to the nodes' [N, D]."""
        return sequences.flatten(0, 1).index_select(0, self.source)

    def sequences_of(self, nodes: Tensor) -> Tensor:
        """[N, D] to [C, S, D]."""
        return nodes.index_select(0, self.nodes.flatten()).unflatten(0, self.nodes.shape)

    def of_sequences(self, rows: Tensor | slice) -> "SuffixTrie":
        """The trie of some of the sequences; that of a stretch is kept."""
        if isinstance(rows, slice):
            key = f"from {rows.start}", rows.stop
            if key not in self._made:
                self._made[key] = suffix_trie(self.nodes[rows], self.lengths[rows])
            return self._made[key]
        rows = rows.to(self.nodes.device)
        return suffix_trie(self.nodes[rows], self.lengths[rows])

    def behind(self, more: int) -> "SuffixTrie":
        """Of the sequences with `more` tokens in front that are the same for all: the first nodes.

        What the sequences' own padding is, is then node 0, too. It is kept: who makes prompts asks
        once, so that it is there where tensors have no values (compilers, a CUDA graph).
        """
        if ("behind", more) not in self._made:
            count, width = self.nodes.shape
            front = torch.arange(more, device=self.nodes.device)
            places = torch.arange(width, device=self.nodes.device)
            own = (self.nodes + more) * (places < self.lengths[:, None])
            nodes = torch.cat([front.expand(count, -1), own], dim=1)
            row, place = self.source // width, self.source % width
            source = torch.cat([front, row * (more + width) + more + place])
            self._made["behind", more] = SuffixTrie(nodes, self.lengths + more, source)
        return self._made["behind", more]

    def apart(self, more: int) -> "SuffixTrie":
        """Of the sequences with `more` tokens in front that differ between all: none is shared."""
        if ("apart", more) not in self._made:
            count, width = len(self.nodes), more + self.nodes.shape[1]
            lengths = self.lengths + more
            places = torch.arange(width, device=self.nodes.device)
            place, row = (places[:, None] < lengths).nonzero().unbind(1)
            nodes = self.nodes.new_zeros(count, width)
            nodes[row, place] = torch.arange(len(row), device=row.device)
            self._made["apart", more] = SuffixTrie(nodes, lengths, row * width + place)
        return self._made["apart", more]


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
) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """The groups, and `SuffixTrie`'s first and last places in them."""
    order, sizes = _parts(lengths)
    groups, real, starts, total = [], [], [], 0
    for rows in order.split(sizes):
        own = lengths[rows]
        width = int(own.max())
        groups.append(nodes[rows, :width])
        real.append(torch.arange(width, device=nodes.device) < own[:, None])
        starts.append(total + width * torch.arange(len(rows), device=nodes.device))
        total += width * len(rows)
    joined = torch.cat([group.flatten() for group in groups])
    # Padding is node 0, but has seen other tokens.
    there = torch.cat([mask.flatten() for mask in real]).nonzero()[:, 0]
    first = _one_of_each(joined[there], there, num_nodes)
    last = torch.cat(starts)[order.argsort()] + lengths - 1
    return tuple(groups), first, last


def _parts(lengths: Tensor) -> tuple[Tensor, list[int]]:
    """Sequences in the order of their lengths, and how many are in each group.

    All are one group, which is cut in two where that spares more than WORTH_A_GROUP tokens of
    padding, and so are its parts.
    """
    order = lengths.argsort(stable=True)
    return order, _cut(lengths[order].tolist())


def _cut(ascending: list[int]) -> list[int]:
    longest = ascending[-1]
    # The first k by themselves are padded to the k-th alone.
    spared = [k * (longest - ascending[k - 1]) for k in range(1, len(ascending) + 1)]
    best = max(spared)
    if best <= WORTH_A_GROUP:
        return [len(ascending)]
    place = spared.index(best) + 1
    return _cut(ascending[:place]) + _cut(ascending[place:])


def _one_of_each(which: Tensor, values: Tensor, count: int) -> Tensor:
    """For each of 0 ... count - 1 the least of `values` where `which` is it."""
    least = values.new_full((count,), torch.iinfo(values.dtype).max)
    return least.scatter_reduce(0, which, values, "amin")
