"""Forks of this process as the processes of one run, as torchrun starts them."""

import contextlib
import os
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

LIMIT_SEC = 120.0  # what takes longer is stuck


def start(work: Callable[[int], int], folder: Path, count: int = 2) -> list[int]:
    """Starts `work(number)` in so many forks that print to folder/<number>.txt; their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sys.stdout.flush()
    return [_fork(work, folder / f"{number}.txt", number, count, port) for number in range(count)]


def _fork(work: Callable[[int], int], log: Path, number: int, count: int, port: int) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's warning of threads: pytest's are asleep
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        with open(log, "w") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            sys.stdout = sys.stderr = file
            ranks = {
                "RANK": number,
                "LOCAL_RANK": number,
                "WORLD_SIZE": count,
                "LOCAL_WORLD_SIZE": count,
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            os.environ.update({key: str(value) for key, value in ranks.items()})
            warnings.simplefilter("ignore")  # what torch says of being forked
            try:
                code = work(number)
            except SystemExit as end:
                code = end.code
            except BaseException:
                traceback.print_exc()
            file.flush()
    finally:
        os._exit(code)


def codes(children: list[int], folder: Path) -> list[int]:
    """How each ended, as `subprocess` says it; none is left.

    Raises:
        AssertionError: one was stuck.
    """
    ends: dict[int, int] = {}
    limit = time.monotonic() + LIMIT_SEC
    while len(ends) < len(children) and time.monotonic() < limit:
        for child in set(children) - set(ends):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                ends[child] = os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    for child in set(children) - set(ends):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 9)
        os.waitpid(child, 0)
    assert len(ends) == len(children), "stuck:\n" + said(folder)
    return [ends[child] for child in children]


def said(folder: Path) -> str:
    """The last of what each printed."""
    return "\n".join(f"{log}:\n{log.read_text()[-2500:]}" for log in sorted(folder.glob("*.txt")))
