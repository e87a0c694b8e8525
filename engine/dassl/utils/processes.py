"""Which process wrote a file, in a word, and whether it still lives.

A word is `<place>-<pid>-<start>`: the place stands for a machine since it was started and, in
it, the container; the start tells a process from a later one of the same number.

The engine is a distribution of its own and has a copy of this file in
dassl/utils/; a test holds the two equal.
"""

import hashlib
import os
import socket
from functools import cache


def this_process() -> str:
    """The word of this process."""
    pid = os.getpid()
    return f"{_place()}-{pid}-{_start(pid) or 0}"


def is_gone(word: str) -> bool | None:
    """Whether the process of a word has ended; None where it cannot be told from here."""
    place, *numbers = word.split("-")
    if place != _place() or len(numbers) != 2 or not all(part.isdecimal() for part in numbers):
        return None
    pid, start = map(int, numbers)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # another user's
        pass
    now = _start(pid)
    return bool(start and now and now != start)


@cache
def _place() -> str:
    parts = [socket.gethostname()]
    for read in (_boot, lambda: os.readlink("/proc/self/ns/pid")):
        try:
            parts.append(read())
        except OSError:  # no Linux
            parts.append("")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read()


def _start(pid: int) -> int | None:
    """When a process was started, in ticks since the machine was; None where nobody says."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name in parentheses may hold anything.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    is_dead = fields[0] in (b"Z", b"X")  # killed, and its parent has not asked yet
    return -1 if is_dead else int(fields[19])
