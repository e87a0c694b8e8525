"""One run at a time in a folder: `run.lock` there says whose it is, and that its process lives.

The holder touches the file every BEAT_SEC. On its own machine it is dead when its process is gone;
seen from another one, when the file was not touched for STALE_SEC by the clock of the drive. Works
on shared drives: it needs links, or files that are made once, and times. Standard library only.
"""

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whole_files import beside, sweep
from whole_files.processes import is_gone, this_process

NAME = "run.lock"
BEAT_SEC, STALE_SEC = 15.0, 300.0


class Held(ValueError):
    """Another run works in the folder; the text says which."""


class Lock:
    """A lock that is held, with its heartbeat."""

    def __init__(self, path: Path, claim: dict[str, Any]) -> None:
        self.path, self.claim = path, claim
        self.taken_by: dict[str, Any] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises Held if another run took over, as happens to one that stood still for long."""
        if self.taken_by is not None:
            raise Held(
                f"This run stood still for more than {STALE_SEC:.0f} s, and {_words(self.taken_by)}"
                f" took over its folder {self.path.parent}. Leave it to that one."
            )

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SEC):
            with contextlib.suppress(OSError):  # a shared drive may be away for a while
                found = _read(self.path)
                if found is None:  # somebody deleted it
                    _put(self.path, self.claim)
                elif found and found != self.claim:  # what cannot be read is asked again
                    self.taken_by = found
                    return
                os.utime(self.path)

    def release(self) -> None:
        """Stops the heartbeat and deletes the file, if it is still this run's."""
        self._stop.set()
        self._thread.join()
        _release(self.path, self.claim)


@contextmanager
def held(directory: str | Path, name: str = NAME) -> Iterator[Lock]:
    """Holds a folder, which is made; deletes what killed runs left half written in it.

    Args:
        directory: the folder.
        name: of the lock's file; locks of other names in the folder are other locks.

    Raises:
        Held: another run holds it.
        OSError: the folder cannot be written.
    """
    path = Path(directory, name)
    claim = _claim()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _acquire(path, claim)
    except OSError as error:
        named = str(path) if error.filename == str(path) else str(directory)
        raise OSError(error.errno, error.strerror, named) from error
    lock = Lock(path, claim)
    try:
        sweep(directory)
        for guard in path.parent.glob(f"{name}.*"):
            if is_gone((_read(guard) or {}).get("process", "")):
                guard.unlink(missing_ok=True)
        yield lock
    finally:
        lock.release()


def forget_dead(directory: str | Path, name: str = NAME) -> None:
    """Deletes the lock of a run that was killed after it had finished, or what one made of it."""
    patterns = (f"{name}*", f".{name}*")  # with guards and half-written ones
    if any(path for pattern in patterns for path in Path(directory).glob(pattern)):
        with contextlib.suppress(Held, OSError), held(directory, name):
            pass


def is_alive(path: str | Path) -> bool | None:
    """Whether the holder of a lock's file lives, as far as can be seen; None where there is none.

    Only looks, and asks the drive for its time: what it says may be over when it is read.
    """
    path = Path(path)
    holder = _read(path)
    if holder is None:
        return None
    gone = is_gone(holder.get("process", ""))
    return _age(path, _drive_time(path)) <= STALE_SEC if gone is None else not gone


def _drive_time(path: Path) -> float:
    """Now by the clock of a file's drive; by this machine's where nothing can be written there."""
    partial = beside(path)
    try:
        partial.touch()
        return partial.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _claim() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "process": this_process(),
        "token": secrets.token_hex(8),
    }


def _acquire(path: Path, claim: dict[str, Any]) -> None:
    while (now := _put(path, claim)) is not None:
        holder = _read(path)
        if holder is None:  # it has just gone
            continue
        age = _age(path, now)
        gone = is_gone(holder.get("process", ""))
        if not (age > STALE_SEC if gone is None else gone):
            raise Held(
                f"{path.parent} is in use by {_words(holder)}; its last sign of life is "
                f"{max(age, 0):.0f} s old. Wait for its end, stop it, or choose another "
                f"--output-dir. (One on another machine counts as dead after {STALE_SEC:.0f} s.)"
            )
        # Only one at a time takes over from this one, and none that was put in its place meanwhile.
        guard = path.with_name(f"{path.name}.{holder.get('token', 'unreadable')}")
        own = _claim()
        _acquire(guard, own)
        try:
            if _read(path) == holder:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; delete it", str(path)) from error
        finally:
            _release(guard, own)


def _put(path: Path, claim: dict[str, Any]) -> float | None:
    """Makes the file, whole, unless there is one; then gives the time by the drive's clock."""
    partial = beside(path)
    try:
        partial.write_text(json.dumps(claim))
        now = partial.stat().st_mtime
        try:
            os.link(partial, path)
        except FileExistsError:
            return now
        except OSError:  # a file system without links
            try:
                with open(path, "x") as file:
                    json.dump(claim, file)
            except FileExistsError:
                return now
        return None
    finally:
        partial.unlink(missing_ok=True)


def _release(path: Path, claim: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        if _read(path) == claim:
            path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    """What a lock says; {} where it says nothing that can be read, None where there is none."""
    try:
        content = json.loads(path.read_text(errors="replace"))
    except FileNotFoundError:  # of a link to nothing there is something
        return {} if os.path.lexists(path) else None
    except (OSError, ValueError, RecursionError):
        return {}
    is_ours = isinstance(content, dict) and all(
        isinstance(content.get(key), str) and "/" not in content[key]
        for key in ("host", "since", "process", "token")
    )
    return content if is_ours else {}


def _age(path: Path, now: float) -> float:
    try:
        return now - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def _words(holder: dict[str, Any]) -> str:
    if not holder:
        return "a run that does not say whose it is"
    return "the run of process {pid} on {host} (since {since})".format(**{"pid": "?", **holder})
