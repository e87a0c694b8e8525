"""What else happens when a trainer tests or ends an epoch: one place for all that looks on."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Observers:
    """Called by a trainer, in order.

    Attributes:
        around_test: each makes a context in which a test is carried out, of the split that is
            tested; None is the config's.
        after_epoch: called when the trainer's own `after_epoch` is done.
    """

    around_test: list[Callable[[str | None], AbstractContextManager]] = field(default_factory=list)
    after_epoch: list[Callable[[], None]] = field(default_factory=list)


def observers_of(trainer: Any) -> Observers:
    """The observers of a trainer of any origin; takes hold of its methods when first asked for."""
    observers = vars(trainer).get("observers")
    if observers is None:
        observers = trainer.observers = Observers()
        trainer.test = _watched_test(trainer.test, observers)
        trainer.after_epoch = _watched_epoch(trainer.after_epoch, observers)
    return observers


def _watched_test(test: Callable, observers: Observers) -> Callable:
    def watched(*args: Any, **kwargs: Any) -> Any:
        split = args[0] if args else kwargs.get("split")
        with contextlib.ExitStack() as stack:
            for context in observers.around_test:
                stack.enter_context(context(split))
            return test(*args, **kwargs)

    return watched


def _watched_epoch(after_epoch: Callable, observers: Observers) -> Callable:
    def watched() -> None:
        after_epoch()
        for observer in observers.after_epoch:
            observer()

    return watched


class Stopwatch:
    """Times a trainer's work from now on: all of it, and its tests apart."""

    def __init__(self, trainer: Any) -> None:
        self.trainer, self.test_sec, self.start = trainer, 0.0, time.perf_counter()
        observers_of(trainer).around_test.append(self._test)

    @contextlib.contextmanager
    def _test(self, split: str | None) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.test_sec += time.perf_counter() - begin

    def seconds(self) -> dict[str, float]:
        """Seconds of training (0 or so for an evaluation) and of testing, --eval-every's too."""
        total = time.perf_counter() - self.start
        test_sec = self.test_sec + getattr(self.trainer, "curve_sec", 0.0)
        return {"train": total - test_sec, "test": test_sec}
