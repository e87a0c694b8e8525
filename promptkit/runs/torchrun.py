"""`torchrun --nproc-per-node N train.py ...`: one run in N processes, see `promptkit.ranks`.

The first process decides whether a run begins, holds its folder and prints. The others run the very
same program in folders of their own, which begin as copies of the first one's and are thrown away.
Standard library only, until there are several.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

KEPT = ("*.json", "*/*checkpoint*", "*/*.pth.tar*")  # what a run that goes on reads of its folder
LOST = ("gloo/transport", "NCCL error", "closed by peer", "reset by peer")  # of torch


class Together:
    """The processes of a run, as `train.py` sees them.

    Attributes:
        number: of this process, from 0.
        count: of all.
    """

    number, count = 0, 1
    _has_begun = False

    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """While it lasts the processes hear each other; all but the first are silent."""
        names = "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"
        if not all(name in os.environ for name in names) or os.environ["WORLD_SIZE"] == "1":
            yield
            return
        self.number, self.count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        if self.number:
            os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported
        from promptkit import ranks

        with contextlib.ExitStack() as stack:
            if self.number:
                nowhere = stack.enter_context(open(os.devnull, "w"))
                stack.enter_context(contextlib.redirect_stdout(nowhere))
            stack.enter_context(ranks.joined(self.number, self.count))
            yield

    def carried_out(self, run: Callable[[list[str]], int], argv: list[str]) -> int:
        """`run(argv)`, by all processes if the first one's begins; its exit code."""
        if self.count == 1:
            return run(argv)
        from promptkit import ranks
        from promptkit.runs.repeat import with_folder

        if self.number == 0:
            code, self._has_begun = 1, False
            try:
                code = run(argv)
            finally:
                if not self._has_begun:
                    with contextlib.suppress(RuntimeError):  # the others may have been ended, too
                        ranks.of_first(code)
            return code
        with tempfile.TemporaryDirectory() as own:
            try:
                folder = ranks.of_first(None)
                if isinstance(folder, int):
                    return folder
                _copy(folder, own)
                ranks.of_all(None)
            except RuntimeError as error:  # `run`, which explains others, has not begun here
                if not (lost := self.has_lost(error)):
                    raise
                print(f"error: {lost}", file=sys.stderr)
                return 1
            return run(with_folder(argv, own))

    def begin(self, folder: str) -> None:
        """The first process begins a run in a folder, and the others with it."""
        if self.count > 1 and self.number == 0:
            from promptkit import ranks

            self._has_begun = True
            ranks.of_first(os.path.abspath(folder))
            ranks.of_all(None)  # they have copied what is there

    def check(self, cfg, trainer: type, *, eval_only: bool) -> None:
        """Chooses this process's GPU.

        Raises:
            ValueError: the run cannot be shared by several processes.
        """
        if self.count == 1:
            return
        import torch

        name = cfg.TRAINER.NAME
        why_not = "it is not built on promptkit"
        if hasattr(trainer, "why_not_shared"):
            why_not = "" if eval_only else trainer.why_not_shared(cfg)
        if why_not:
            raise ValueError(
                f"{name} cannot be shared by {self.count} processes: {why_not}. Start it without "
                "torchrun."
            )
        if cfg.SEED < 0:
            raise ValueError(
                "--seed must be 0 or more with several processes, which draw the same random "
                f"numbers; got {cfg.SEED}."
            )
        if torch.cuda.is_available() and cfg.USE_CUDA:
            here, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
            if here > gpus:
                raise ValueError(
                    f"--nproc-per-node must be at most the number of GPUs here, {gpus}; got "
                    f"{here}. Or set USE_CUDA False."
                )
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))

    def has_lost(self, error: BaseException) -> str:
        """What to say of an error that another process's end led to; "" of all others."""
        if self.count == 1 or not any(words in str(error) for words in LOST):
            return ""
        return (
            f"another of the {self.count} processes of this run has ended. Once the reason is "
            f"mended, the same command goes on from the last checkpoint ({type(error).__name__}: "
            f"{str(error).splitlines()[0][:150]})"
        )


def _copy(folder: str, own: str) -> None:
    """What a run that goes on reads of its folder."""
    for pattern in KEPT:
        for path in Path(folder).glob(pattern):
            copy = Path(own, path.relative_to(folder))
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copy)
