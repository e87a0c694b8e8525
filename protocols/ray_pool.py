"""Cells as tasks of a Ray cluster, whose nodes see the project, the data and the results by the
same paths. Ray is an extra: requirements-cluster.txt.

A task is carried out again where its node or its process is lost: the cell's lock, whose holder
has died with it, is taken over, and the run goes on from its last checkpoint.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

from protocols.cell import Cell
from protocols.nodes import Node, cpu_share
from protocols.places import PROJECT
from protocols.pool import Ended, Said
from protocols.tail import tail_kept
from protocols.worker import Outcome, carry_out

try:
    import ray
except ImportError as error:
    raise ValueError(
        "--ray needs Ray, which is not installed: pip install -r requirements-cluster.txt"
    ) from error

RETRIES = 3  # of a task whose node or process was lost
ASK_SEC = 0.05  # between two looks at the tasks
CANCEL_SEC = 30.0  # for a run to end in order
PASSED_ON = ("DASSL_TRUST_CHECKPOINTS", "OMP_NUM_THREADS", "PROMPTKIT_FEATURES", "TRACEBACK")
BROKEN: list[str] = []  # cells that have left this process in doubt: it serves no more


def task(cell: Cell) -> tuple[str, str]:
    """In a worker of the cluster: the outcome of a cell, and the end of what it said."""
    if BROKEN:  # by the cell before: Ray gives this one to another process
        os._exit(1)
    os.chdir(PROJECT)
    argv = sys.argv
    try:
        with tail_kept() as tail:
            outcome = carry_out(cell)
    finally:
        sys.argv = argv
    if outcome is Outcome.BROKEN:
        BROKEN.append(cell.name)
    return outcome.value, tail.end()


class RayPool:
    """Tasks on a cluster.

    Args:
        address: auto for the one that this machine is of, or its address.
        jobs: tasks at a time; None for as many as the GPUs take, or the CPUs where there are none.
        per_gpu: tasks on one GPU; None for one.

    Raises:
        ValueError: there is no such cluster, or no node of it can take a task.
    """

    def __init__(self, address: str, jobs: int | None, per_gpu: int | None) -> None:
        paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(PROJECT)]
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        variables = {"PYTHONPATH": os.pathsep.join(paths), **passed_on}
        at_end = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address, log_to_driver=False, logging_level="error",
                     runtime_env={"env_vars": variables})  # fmt: skip
        except ConnectionError as error:
            raise ValueError(f"--ray {address}: there is no such cluster ({error})") from error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, at_end)  # Ray puts its own there
        nodes = [Node.of(each["Resources"]) for each in ray.nodes() if each["Alive"]]
        gpus, cpus = sum(node.gpus for node in nodes), sum(node.cpus for node in nodes)
        if per_gpu and not gpus:
            raise ValueError(f"--per-gpu {per_gpu}: there is no GPU in the cluster")
        self.size = jobs or gpus * (per_gpu or 1) or cpus or 1
        self.run = ray.remote(
            num_cpus=cpu_share(nodes, self.size, per_gpu or 1),
            num_gpus=1 / (per_gpu or 1) if gpus else 0, max_retries=RETRIES,
            # A process that stays would keep its GPU while Ray gives that to the next one.
            max_calls=1 if gpus else 0,
        )(task)  # fmt: skip
        self.cells: dict[ray.ObjectRef, Cell] = {}

    def is_free(self) -> bool:
        """Whether fewer tasks were given than there may be."""
        return len(self.cells) < self.size

    def start(self, cell: Cell) -> None:
        """Gives a task to the cluster."""
        self.cells[self.run.remote(cell)] = cell

    def events(self, timeout_sec: float) -> Iterator[Said | Ended]:
        """Tasks that have ended, with the end of their output, which is all that the log has."""
        end = time.monotonic() + timeout_sec
        # Asked, not waited for: a signal that comes while Ray waits would lose its exit code.
        while not (done := self._done()) and time.monotonic() < end:
            time.sleep(ASK_SEC)
        for reference in done:
            cell = self.cells.pop(reference)
            try:
                outcome, tail = ray.get(reference)
            except ray.exceptions.RayError as error:
                yield Ended(cell, Outcome.FAILED, f"error: Ray: {str(error).strip()}")
                continue
            yield Said(cell, tail + "\n")
            yield Ended(cell, Outcome(outcome), tail)

    def _done(self) -> list:
        references = list(self.cells)
        return ray.wait(references, num_returns=len(references), timeout=0)[0] if references else []

    def close(self) -> None:
        """Cancels what is on, as Ctrl-C would, and leaves the cluster."""
        for reference in self.cells:
            ray.cancel(reference, force=False)
        if self.cells:
            ray.wait(list(self.cells), num_returns=len(self.cells), timeout=CANCEL_SEC)
        self.cells.clear()
        ray.shutdown()
