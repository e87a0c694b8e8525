"""The console, kept open.

Upstream Dassl's logger stands in for stdout and closes the console when it is collected: nothing
that comes after it in the process could print.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any


class KeptOpen:
    """A stream that is the one inside in everything, but that closing it leaves that one open."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def close(self) -> None:
        """Only flushes: the stream belongs to the program."""
        self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        if name == "stream":  # not there yet
            raise AttributeError(name)
        return getattr(self.stream, name)


@contextlib.contextmanager
def kept_open() -> Iterator[Any]:
    """Puts a stream that stays open in the place of stdout, gives it, and restores stdout."""
    console = sys.stdout
    sys.stdout = KeptOpen(console)
    try:
        yield sys.stdout
    finally:
        sys.stdout = console
