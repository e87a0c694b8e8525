"""How many CPUs of a cluster's nodes a task takes, so that every task fits one of them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """What a node has."""

    cpus: int
    gpus: int

    @classmethod
    def of(cls, resources: Mapping[str, float]) -> "Node":
        """From what Ray says of one."""
        return cls(int(resources.get("CPU", 0)), int(resources.get("GPU", 0)))


def cpu_share(nodes: list[Node], size: int, per_gpu: int) -> int:
    """CPUs of each of `size` tasks: as many as let all be on at once, at most those of the smallest
    node. Where there are GPUs, only nodes that have some take tasks, `per_gpu` on each.

    Raises:
        ValueError: no node can take a task, which would wait for ever.
    """
    has_gpus = any(node.gpus for node in nodes)
    able = [node for node in nodes if node.cpus and (node.gpus or not has_gpus)]
    if not able:
        kind = "a GPU and a CPU" if has_gpus else "a CPU"
        raise ValueError(f"--ray: no node of the cluster has {kind} for tasks; it has {nodes}")

    def at_once(share: int) -> int:
        most = ((node.gpus * per_gpu if has_gpus else node.cpus) for node in able)
        return sum(min(node.cpus // share, n) for node, n in zip(able, most, strict=True))

    wanted = min(size, at_once(1))
    smallest = min(node.cpus for node in able)
    return next(share for share in range(smallest, 0, -1) if at_once(share) >= wanted)
