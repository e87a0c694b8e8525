"""The end of what is printed, kept while it is printed."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from protocols import failure

KEPT = 1 << 13  # characters


class Tail:
    """What was printed last."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, text: str) -> None:
        """It was printed."""
        self.text = (self.text + text)[-KEPT:]

    def end(self) -> str:
        """The last lines."""
        return failure.end_of(self.text)


class _Heard:
    """A stream whose text is also kept; everything else is that of the stream."""

    def __init__(self, stream: Any, tail: Tail) -> None:
        self.stream, self.tail = stream, tail

    def write(self, text: str) -> int:
        self.tail.add(text)
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        if name == "stream":  # not there yet
            raise AttributeError(name)
        return getattr(self.stream, name)


@contextlib.contextmanager
def tail_kept() -> Iterator[Tail]:
    """Keeps the end of what stdout and stderr are given meanwhile."""
    tail, streams = Tail(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = (_Heard(stream, tail) for stream in streams)
    try:
        yield tail
    finally:
        sys.stdout, sys.stderr = streams
