"""The tree holds each distinct beginning once, and gives every sequence back."""

from unittest import mock

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from promptkit.encoders import suffix_trie as module
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


@given(SEQUENCES, st.sampled_from([0, 5, 4096]))
@settings(max_examples=100)
def test_groups_hold_every_sequence_once(sequences, worth):
    with mock.patch.object(module, "WORTH_A_GROUP", worth):
        tree = suffix_trie(*padded(sequences))
    joined = torch.cat([group.flatten() for group in tree.groups])
    assert joined[tree.first].tolist() == list(range(len(tree.source)))
    assert joined[tree.last].tolist() == tree.end_nodes.tolist()
    lengths = sorted(map(len, sequences))
    assert sum(map(len, tree.groups)) == len(sequences)
    if worth == 0:  # no padding at all
        assert joined.numel() == sum(lengths)
    if worth == 4096:  # 30 sequences of 20 tokens at most are none of that
        assert len(tree.groups) == 1


def test_a_long_name_is_set_apart_where_that_spares_much():
    few = suffix_trie(*padded([[1, 2]] * 10 + [list(range(60))]))
    many = suffix_trie(*padded([[1, i] for i in range(100)] + [list(range(60))]))
    assert [tuple(group.shape) for group in few.groups] == [(11, 60)]
    assert [tuple(group.shape) for group in many.groups] == [(100, 2), (1, 60)]


@given(SEQUENCES, st.integers(0, 4))
@settings(max_examples=50)
def test_what_stands_in_front_of_all_is_the_first_nodes(sequences, more):
    front = list(range(50, 50 + more))
    tree = suffix_trie(*padded(sequences)).behind(more)
    whole = suffix_trie(*padded([front + sequence for sequence in sequences]))
    assert len(tree.source) == len(whole.source)
    for row, sequence in enumerate(sequences):
        nodes = tree.nodes[row, : more + len(sequence)]
        assert nodes[:more].tolist() == list(range(more)) and tree.end_nodes[row] == nodes[-1]
        token = padded([front + sequence for sequence in sequences])[0].flatten()[tree.source]
        assert token[nodes].tolist() == front + sequence


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
    assert moved.nodes.device.type == moved.groups[0].device.type == "meta"
    assert tree.to(torch.device("meta")) is moved and moved._made == {}
