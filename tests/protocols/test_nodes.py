"""Shares of a cluster's CPUs: every task fits a node, and as many are on as may be."""

import pytest

from protocols.nodes import Node, cpu_share


@pytest.mark.parametrize(
    ("nodes", "size", "per_gpu", "share"),
    [
        ([(2, 0), (2, 0), (0, 0)], 1, 1, 2),  # not the 4 of the cluster, which no node has
        ([(2, 0), (2, 0)], 4, 1, 1),
        ([(2, 0), (2, 0)], 9, 1, 1),
        ([(8, 0), (2, 0)], 2, 1, 2),
        ([(16, 8), (64, 0)], 8, 1, 2),  # the node without a GPU counts for nothing
        ([(16, 4), (16, 4)], 16, 2, 2),
        ([(16, 1)], 1, 1, 16),
        ([(4, 8)], 8, 1, 1),
    ],
)
def test_every_task_fits_a_node(nodes, size, per_gpu, share):
    assert cpu_share([Node(*each) for each in nodes], size, per_gpu) == share


@pytest.mark.parametrize("nodes", [[], [(0, 0)], [(0, 1), (8, 0)]])
def test_what_fits_no_node_is_refused(nodes):
    with pytest.raises(ValueError, match="--ray: no node of the cluster has"):
        cpu_share([Node(*each) for each in nodes], 1, 1)


def test_what_ray_says_of_a_node():
    assert Node.of({"CPU": 4.0, "GPU": 1.0, "memory": 1e9}) == Node(4, 1) and not Node.of({}).cpus
