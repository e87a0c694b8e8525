"""Commands in forked processes, killed where they write or at a moment, and what they leave.

A fork has everything imported that this process has, so that a kill costs no start.
"""

import builtins
import contextlib
import io
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

KILLED, FAILED = 137, 1
LIMIT_SEC = 120.0  # a command that takes longer is stuck
# What changes a file or a folder; opening counts where it is for writing.
CALLS = (
    "replace", "rename", "link", "symlink", "fsync", "mkdir", "unlink", "remove", "rmdir", "utime",
)  # fmt: skip


class WritePoints:
    """Counts what a process writes, and ends it as SIGKILL does before the call of a number."""

    def __init__(self, deadly: int | None) -> None:
        self.deadly, self.count, self.names = deadly, 0, []
        self.process = os.getpid()

    def __call__(self, name: str) -> None:
        if os.getpid() != self.process:
            return
        if self.count == self.deadly:
            os._exit(KILLED)
        self.count += 1
        self.names.append(name)

    def install(self) -> None:
        """From now on in this process."""
        for name in CALLS:
            setattr(os, name, self._counted(name, getattr(os, name)))
        builtins.open = io.open = self._counted("open", builtins.open, _writes)
        os.open = self._counted("os.open", os.open, _writes_by_flags)

    def _counted(self, name: str, call: Callable, counts: Callable = lambda *_, **__: True):
        def counted(path, *args, **kwargs):
            if counts(*args, **kwargs):
                self(f"{name} {path}")
            return call(path, *args, **kwargs)

        return counted


def _writes(mode: str = "r", *_, **__) -> bool:
    return bool(set(mode) & set("wax+"))


def _writes_by_flags(flags: int, *_, **__) -> bool:
    return bool(flags & (os.O_WRONLY | os.O_RDWR))


def fork(command: Callable[[], int], log: Path, *, deadly: int | None = None) -> int:
    """Starts a command in a fork of this process, with its output in a file; its number."""
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's warning of threads: pytest's are asleep
        child = os.fork()
    if child:
        return child
    code = FAILED
    try:
        with open(log, "w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sys.stdout = sys.stderr = file
            points = WritePoints(deadly)
            points.install()
            try:
                code = command()
            except BaseException:
                traceback.print_exc()
            file.write(f"\nwrite points: {points.count}\n")
            file.flush()
    finally:
        os._exit(code)


def wait(child: int, log: Path) -> int:
    """The exit code of a child; 137 if it was killed."""
    end = time.monotonic() + LIMIT_SEC
    while time.monotonic() < end:
        number, status = os.waitpid(child, os.WNOHANG)
        if number:
            code = os.waitstatus_to_exitcode(status)
            return KILLED if code == -signal.SIGKILL else code
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"stuck:\n{log.read_text()[-2000:]}")


def count_write_points(command: Callable[[], int], log: Path) -> int:
    """How often a command writes when nothing kills it."""
    code = wait(fork(command, log), log)
    text = log.read_text()
    assert code == 0, text[-3000:]
    return int(text.rsplit("write points: ", 1)[1])


def killed_at_a_moment(command: Callable[[], int], log: Path, seconds: float) -> int:
    """Starts a command and kills it after some seconds; its exit code."""
    child = fork(command, log)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return wait(child, log)
