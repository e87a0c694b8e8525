"""Which pool the options of a command mean: how many workers here, on which GPUs, or Ray's."""

import argparse
import os
from collections.abc import Mapping

from protocols import gpus
from protocols.pool import Pool

THREADS = "OMP_NUM_THREADS"


def chosen(args: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Pool:
    """The pool.

    Raises:
        ValueError: more workers are asked for than the GPUs take.
    """
    if args.ray:
        from protocols.ray_pool import RayPool

        return RayPool(args.ray, args.jobs, args.per_gpu)
    from protocols.local_pool import LocalPool

    return LocalPool(places(args.jobs, args.per_gpu, environment))


def places(
    jobs: int | None, per_gpu: int | None, environment: Mapping[str, str]
) -> list[dict[str, str]]:
    """The environment of each worker: a GPU in turn, or a share of the cores.

    Args:
        jobs: workers; None for one, or as many as `per_gpu` means.
        per_gpu: workers on one GPU; None for one.
        environment: of this process.

    Raises:
        ValueError: they do not fit.
    """
    names = gpus.visible(environment) if per_gpu or (jobs or 1) > 1 else []
    if per_gpu and not names:
        raise ValueError(f"--per-gpu {per_gpu}: there is no GPU here. Say --jobs instead.")
    most = len(names) * (per_gpu or 1)
    jobs = jobs or (most if per_gpu else 1)
    if names and jobs > most:
        raise ValueError(
            f"--jobs must be at most {most} with {len(names)} GPU(s) and {per_gpu or 1} run(s) on "
            f"each; got {jobs}. --per-gpu puts more on one."
        )
    if names:
        # The last place is given out first: the first GPU gets the first worker.
        return [{gpus.VISIBLE: names[number % len(names)]} for number in reversed(range(jobs))]
    if jobs == 1 or THREADS in environment:
        return [{} for _ in range(jobs)]
    share = max(_cores() // jobs, 1)
    print(f"{jobs} workers with {share} thread(s) each ({THREADS}, which decides last bits)")
    return [{THREADS: str(share)} for _ in range(jobs)]


def _cores() -> int:
    """That this process may use, where the system says."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
