"""The tree holds each distinct beginning once, and gives every sequence back."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from promptkit.encoders.suffix_trie import suffix_trie

SEQUENCES = st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=20), min_size=1, max_size=30)


def padded(sequences):
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    ids = torch.full((len(sequences), int(lengths.max()) + 2), 99)
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence)] = torch.tensor(sequence)
    return ids, lengths


@given(SEQUENCES)
@settings(max_examples=100)
def test_a_node_is_a_distinct_beginning(sequences):
    ids, lengths = padded(sequences)
    tree = suffix_trie(ids, lengths)
    beginnings = {tuple(s[: place + 1]) for s in sequences for place in range(len(s))}
    assert len(tree.source) == len(tree.first) == len(beginnings)
    token = ids.flatten()[tree.source]
    for row, sequence in enumerate(sequences):
        assert token[tree.nodes[row, : len(sequence)]].tolist() == sequence
        assert tree.end_nodes[row] == tree.nodes[row, len(sequence) - 1]


@given(SEQUENCES)
@settings(max_examples=100)
def test_groups_hold_every_sequence_once_with_little_padding(sequences):
    tree = suffix_trie(*padded(sequences))
    joined = torch.cat([group.nodes.flatten() for group in tree.groups])
    assert joined[tree.first].tolist() == list(range(len(tree.source)))
    ends = torch.cat([group.nodes.gather(1, group.ends[:, None]) for group in tree.groups])
    assert ends[tree.order].squeeze(1).tolist() == tree.end_nodes.tolist()
    for group in tree.groups:
        length = group.nodes.shape[1]
        assert length <= 8 or 2 * (int(group.ends.min()) + 1) > length


@given(SEQUENCES, st.data())
@settings(max_examples=50)
def test_a_trie_of_some_sequences_is_made_of_them_alone(sequences, data):
    rows = data.draw(st.lists(st.integers(0, len(sequences) - 1), min_size=1, unique=True))
    part = suffix_trie(*padded(sequences)).of_sequences(torch.tensor(rows))
    alone = suffix_trie(*padded([sequences[row] for row in rows]))
    assert len(part.source) == len(alone.source)
    assert part.ends.tolist() == alone.ends.tolist()


def test_nothing_is_shared_behind_tokens_that_differ():
    tree = suffix_trie(*padded([[1, 2], [1, 2, 3]]))
    apart = tree.apart(2)
    assert len(apart.source) == (2 + 2) + (2 + 3)
    assert apart.ends.tolist() == [3, 4]
    assert tree.apart(2) is apart and tree.apart(1) is not apart


def test_a_trie_is_moved_once():
    tree = suffix_trie(*padded([[1, 2], [1, 2, 3]]))
    assert tree.to(torch.device("cpu")) is tree
    moved = tree.to(torch.device("meta"))
    assert moved.nodes.device.type == moved.groups[0].ends.device.type == "meta"
    assert tree.to(torch.device("meta")) is moved and moved._made == {}
