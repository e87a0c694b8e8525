"""How a command ends that is told to, or that cannot go on: one line, an exit code, no traceback.

- SIGTERM and SIGINT (Ctrl-C) unwind it: what is half written is removed, its loading processes end
  with it, the exit code is 143 or 130; a second signal ends it at once. Checkpoints are whole or
  not there, so that those of the last whole epoch stay.
- Where the reader of its output has ended (`| head`) so does the command, with 141 as a shell's.
- A full disk or memory that no code foresaw is said like every other error, with 1.

For commands alone: importing this module changes nothing. Standard library only.
"""

import atexit
import contextlib
import errno
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

READER_ENDED = 141  # 128 and the number of SIGPIPE
# In what torch and C++ say when there is no memory: they raise a RuntimeError like any other.
NO_MEMORY = (
    "can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc", "ALLOC_FAILED",
    "DataLoader worker",  # one that the system ended, or that found no shared memory
)  # fmt: skip


class Ended(SystemExit):
    """The end that a signal or a closed pipe asks for; its code is the process's."""


class Output:
    """A standard output that says what is wrong with it; everything else is that of the stream."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """As the stream's.

        Raises:
            Ended: nobody reads it any more.
            OSError: it cannot be written for another reason; the error names it.
        """
        try:
            return self.stream.write(text)
        except OSError as error:
            raise self._fault(error) from error

    def flush(self) -> None:
        """As the stream's; raises as `write`."""
        try:
            self.stream.flush()
        except OSError as error:
            raise self._fault(error) from error

    def _fault(self, error: OSError) -> BaseException:
        # What is still to be written has nowhere to go: or Python would try again at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)
        if error.errno != errno.EPIPE:
            return OSError(error.errno, error.strerror, "standard output")
        _say("standard output: its reader has ended (a pipe, such as | head)")
        return Ended(READER_ENDED)

    def __getattr__(self, name: str) -> Any:
        if name == "stream":  # not there yet
            raise AttributeError(name)
        return getattr(self.stream, name)


def is_being_started() -> bool:
    """Whether Python was called with `-m` and is looking for the module right now."""
    return sys.argv[:1] == ["-m"] and "-m" in sys.orig_argv[:-1]


def watch() -> None:
    """From now on this process, which is a command's, ends as this module says."""
    sys.excepthook = explain
    threading.excepthook = _explain_in_thread
    sys.stdout = Output(sys.stdout)
    atexit.register(_flush)
    own = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != own:  # a loading process: its parent, which has Ctrl-C as well, ends it
            if number != signal.SIGINT:
                os._exit(128 + number)
            return
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda again, _: os._exit(128 + again))
        if hasattr(signal, "SIGCHLD"):  # torch would raise that its loading processes have ended
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _say(f"ended by {signal.Signals(number).name}")
        raise Ended(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in the background of a script
            signal.signal(number, end)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no memory for something, on the CPU or on a GPU."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


def explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints an error that nobody caught: one line, or the traceback of a mistake."""
    if isinstance(error, KeyboardInterrupt):
        raise Ended(128 + signal.SIGINT)
    if os.environ.get("TRACEBACK"):
        sys.__excepthook__(kind, error, trace)
    elif isinstance(error, OSError) and error.errno is not None:
        _say(f"{error.filename or 'a file'}: {error.strerror}")
    elif is_out_of_memory(error):
        _say(f"out of memory: {str(error).splitlines()[0] if str(error) else kind.__name__}")
    else:
        sys.__excepthook__(kind, error, trace)


def _explain_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        explain(args.exc_type, args.exc_value, args.exc_traceback)


def _say(words: str) -> None:
    # Not print: a signal may come amid another one, which cannot be entered twice.
    begin = "\n" if os.isatty(2) else ""  # a progress bar may stand there
    with contextlib.suppress(OSError):  # nobody reads it
        os.write(2, f"{begin}error: {words}\n".encode("utf-8", "backslashreplace"))


def _flush() -> None:
    """The last of what was printed: Python by itself would name no stream and exit with 120."""
    try:
        sys.stdout.flush()
    except Ended as ended:
        os._exit(ended.code)
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}")
        os._exit(1)
