"""Copying what is printed to a log file."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Any, NoReturn, TextIO

__all__ = ["Logger", "setup_logger"]


class Logger:
    """A stand-in for `sys.stdout` that writes to the console and to a file.

    Everything else a library may ask of a stream (`isatty`, `fileno`, `encoding`, ...) is
    answered by the console.

    Args:
        fpath: the log file, overwritten; None: console only.
    """

    def __init__(self, fpath: str | None = None) -> None:
        self.console: TextIO = sys.stdout
        self.file: TextIO | None = None
        if fpath is not None:
            Path(fpath).parent.mkdir(parents=True, exist_ok=True)
            # Line by line, so that the log of a killed run is complete up to its last line.
            # Names of files may hold bytes that are no UTF-8: they are escaped.
            self.file = open(  # noqa: SIM115
                fpath, "w", buffering=1, encoding="utf-8", errors="backslashreplace"
            )

    def write(self, msg: str) -> int:
        """Write to both; return the number of characters.

        Raises:
            OSError: the log cannot be written, the error names it; it is written no further.
        """
        self.console.write(msg)
        if self.file is not None:
            try:
                self.file.write(msg)
            except OSError as error:
                self._give_up(error)
        return len(msg)

    def flush(self) -> None:
        """Flush both; raises as `write`."""
        self.console.flush()
        if self.file is not None:
            try:
                self.file.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> NoReturn:
        path = self.file.name
        with contextlib.suppress(OSError):  # what is left in its buffer is tried once more
            self.file.close()
        self.file = None
        raise OSError(error.errno, error.strerror, path) from error

    def isatty(self) -> bool:
        """Tell whether the console is a terminal."""
        return self.console.isatty()

    def fileno(self) -> int:
        """Return the console's file descriptor."""
        return self.console.fileno()

    @property
    def encoding(self) -> str:
        """The console's encoding."""
        return getattr(self.console, "encoding", None) or "utf-8"

    def close(self) -> None:
        """Close the file. The console belongs to the program and stays open."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def __getattr__(self, name: str) -> Any:
        if name in ("console", "file"):  # not there yet: __init__ failed
            raise AttributeError(name)
        return getattr(self.console, name)

    def __enter__(self) -> "Logger":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self.__dict__.get("file") is not None:
            self.close()


def setup_logger(output: str | None = None) -> None:
    """From now on also write what is printed to a log file.

    Args:
        output: a file ending in .txt or .log, or a folder that gets a `log.txt`. If the file
            exists, the time is appended to its name. None or "": do nothing.
    """
    if not output:
        return
    path = output if output.endswith((".txt", ".log")) else str(Path(output) / "log.txt")
    if Path(path).exists():
        path += time.strftime("-%Y-%m-%d-%H-%M-%S")
    if isinstance(sys.stdout, Logger):
        # A second run in the same process must not write into the first one's log.
        previous = sys.stdout
        sys.stdout = previous.console
        previous.close()
    sys.stdout = Logger(path)  # type: ignore[assignment]
