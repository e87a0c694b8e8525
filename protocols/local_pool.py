"""Workers on this machine: forks of this process, which has not imported torch.

A worker has a process group of its own, so that Ctrl-C reaches the planner alone, which stops its
workers. They end by themselves when the planner has died.
"""

import codecs
import contextlib
import gc
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict

import ending
from protocols import worker
from protocols.cell import Cell
from protocols.pool import Ended, Said
from protocols.tail import Tail
from protocols.worker import Outcome

READ_BYTES = 1 << 16  # of output at a time


class _Worker:
    """One fork, seen from the planner.

    Attributes:
        orders, answers, output: ends of pipes: cells to it, outcomes from it, what it says.
        cell: that it carries out; None while it waits.
        tail: the end of that cell's output.
    """

    def __init__(self, environment: dict[str, str], others: list["_Worker"]) -> None:
        orders, answers, output = os.pipe(), os.pipe(), os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            # Open ends of others' pipes would hide from them that the planner has died.
            for end in (orders[1], answers[0], output[0], *(x for o in others for x in o.ends())):
                os.close(end)
            _become(orders[0], answers[1], output[1], environment)
        for end in (orders[0], answers[1], output[1]):
            os.close(end)
        self.orders, self.answers, self.output = orders[1], answers[0], output[0]
        for end in (self.answers, self.output):
            os.set_blocking(end, False)
        self.environment = environment
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.cell: Cell | None = None
        self.tail = Tail()

    def ends(self) -> tuple[int, ...]:
        """The planner's ends of its pipes."""
        return self.orders, self.answers, self.output

    def read(self, end: int) -> bytes | None:
        """What has come; b"" at the end of it, None where nothing has."""
        try:
            return os.read(end, READ_BYTES)
        except BlockingIOError:
            return None

    def said(self) -> Iterator[str]:
        """All output that has come."""
        while data := self.read(self.output):
            text = self.decoder.decode(data)
            self.tail.add(text)
            yield text


def _become(orders: int, answers: int, output: int, environment: dict[str, str]) -> None:
    """In the fork: it is a worker from now on. Does not return."""
    code = 1
    try:
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for end, number in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(end, number)
        os.close(nothing)
        os.close(output)
        os.environ.update(environment)
        with (
            # By lines, so that an error stands behind what was printed before it.
            open(1, "w", buffering=1, closefd=False) as sys.stdout,
            open(2, "w", buffering=1, closefd=False) as sys.stderr,
        ):
            lines = open(orders)  # a thread waits for them: closing them would wait for it
            try:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is told to end by SIGTERM
                ending.watch()
                gc.freeze()  # what the planner has made stays: it is not looked through again
                worker.serve(lines, lambda outcome: _answer(answers, outcome))
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            except BaseException:
                traceback.print_exc()
    finally:
        os._exit(code)


def _answer(answers: int, outcome: Outcome) -> None:
    os.write(answers, f"{outcome.value}\n".encode())


class LocalPool:
    """Forks, each with the environment of its place (its GPU); made when they are needed.

    Args:
        places: an environment for each worker.
    """

    def __init__(self, places: list[dict[str, str]]) -> None:
        self.size = len(places)
        self.places = list(places)
        self.workers: list[_Worker] = []
        self.selector = selectors.DefaultSelector()

    def is_free(self) -> bool:
        """Whether a worker waits, or has yet to be made."""
        return bool(self.places) or any(one.cell is None for one in self.workers)

    def start(self, cell: Cell) -> None:
        """Gives a cell to a worker."""
        one = next((one for one in self.workers if one.cell is None), None) or self._made()
        one.cell, one.tail = cell, Tail()
        with contextlib.suppress(BrokenPipeError):  # it has just died, which is seen by its pipes
            os.write(one.orders, (json.dumps(asdict(cell)) + "\n").encode())

    def _made(self) -> _Worker:
        one = _Worker(self.places.pop(), self.workers)
        self.workers.append(one)
        for end in (one.answers, one.output):
            self.selector.register(end, selectors.EVENT_READ, one)
        return one

    def events(self, timeout_sec: float) -> Iterator[Said | Ended]:
        """Output, ends of cells; the cell of a worker that has died has failed."""
        for key, _ in self.selector.select(timeout_sec):
            one: _Worker = key.data
            if one not in self.workers:  # its other pipe has told
                continue
            answer = one.read(one.answers)
            cell = one.cell
            for text in one.said():
                if cell:
                    yield Said(cell, text)
            if answer:
                one.cell = None
                outcome = Outcome(answer.decode().strip())
                if outcome is Outcome.BROKEN:
                    self._buried(one)
                yield Ended(cell, outcome, one.tail.end())
            elif answer == b"":
                code = self._buried(one)
                if cell:
                    why = f"{one.tail.end()}\nerror: its process ended, {_words(code)}"
                    yield Ended(cell, Outcome.FAILED, why.strip())

    def _buried(self, one: _Worker) -> int:
        """Forgets a worker that has ended; its place is free for another one. Its exit code."""
        self.workers.remove(one)
        for end in (one.answers, one.output):
            self.selector.unregister(end)
        for end in one.ends():
            os.close(end)
        self.places.append(one.environment)
        return os.waitstatus_to_exitcode(os.waitpid(one.pid, 0)[1])

    def close(self) -> None:
        """Tells all workers to end, and waits; what they still say is printed."""
        for one in self.workers:
            if one.cell:  # told once: a second signal would not let it end in order
                os.kill(one.pid, signal.SIGTERM)
            else:
                os.close(one.orders)
        for one in self.workers:
            os.set_blocking(one.output, True)
            for text in one.said():
                sys.stdout.write(text)
            os.waitpid(one.pid, 0)
            if one.cell:
                os.close(one.orders)
            for end in (one.answers, one.output):
                os.close(end)
        self.workers.clear()
        self.selector.close()
        sys.stdout.flush()


def _words(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
