"""One large run in several processes (`torchrun`): what each computes, and what all get.

All run the same program on the same data, with the same weights and random numbers. Only what is
expensive is shared out: the rows of a batch (images, classes) that an encoder takes in a step, and
the batches of a test or of a pass that encodes a data set. What comes of it is joined in order, so
that every process has the loss of the global batch, as one alone would.

Why a step is exact. Let z_r = f_r(w) be the rows that process r encodes with weights w, of N
processes, and L(z_1 ... z_N, w) the loss that each computes. `split` gives the whole z forward, and
backward N times its gradient for the process's own rows, so that process r finds

    g_r = N (dL/dz_r) (df_r/dw) + dL/dw,      mean_r g_r = sum_r (dL/dz_r) (df_r/dw) + dL/dw.

That mean is the gradient of L as one process computes it, whatever L is: a mean over images or over
elements, contrasts between all pairs of a batch, a weight that both encoders share. Shares need not
be of one size. Fewer rows than processes are encoded by each of them: their gradient is in dL/dw.

Not joined, one process is all there is: nothing is copied or waited for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice, zip_longest
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader

ALL = slice(None)
_rank, _count, _in_step = 0, 1, False


def rank() -> int:
    """The number of this process, from 0."""
    return _rank


def count() -> int:
    """N, how many processes share the run."""
    return _count


@contextmanager
def joined(number: int, processes: int) -> Iterator[None]:
    """Joins the others by torch's environment (MASTER_ADDR, MASTER_PORT); in the end leaves them.

    Args:
        number: of this process, from 0.
        processes: N.
    """
    global _rank, _count
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, rank=number, world_size=processes)
    _rank, _count = number, processes
    try:
        yield
    finally:
        _rank, _count = 0, 1
        dist.destroy_process_group()


# Plain values ------------------------------------------------------------------------------------


def of_first(value: Any) -> Any:
    """The first process's value, in all."""
    values = [value]
    if _count > 1:
        dist.broadcast_object_list(values, src=0)
    return values[0]


def of_all(value: Any) -> list[Any]:
    """The values of all processes, in their order."""
    values = [value]
    if _count > 1:
        values = values * _count
        dist.all_gather_object(values, value)
    return values


@contextmanager
def first_alone() -> Iterator[None]:
    """A block that the first process goes through alone, then the others; all leave it together."""
    if _rank > 0:
        of_all(None)
    yield
    if _rank == 0:
        of_all(None)
    of_all(None)


# A step ------------------------------------------------------------------------------------------


@contextmanager
def step() -> Iterator[None]:
    """A loss that all processes compute of one batch: in it `split` shares rows out."""
    global _in_step
    _in_step = _count > 1
    try:
        yield
    finally:
        _in_step = False


def rows(number: int) -> slice:
    """Which of `number` rows this process takes: a stretch, all of them if there are fewer than N.

    The first `number % N` processes take one row more than the others.
    """
    if number < _count:
        return ALL
    size, more = divmod(number, _count)
    start = _rank * size + min(_rank, more)
    return slice(start, start + size + (_rank < more))


def split(encode: Callable[[slice], Tensor], number: int) -> Tensor:
    """What `encode` makes of all `number` rows [number, ...], in a step shared out by rows.

    Elsewhere, as in a test, all are encoded: what is there may be this process's alone.

    Args:
        encode: some rows to as many rows of its result.
        number: of rows, the same in all processes.
    """
    if not _in_step or number < _count:
        return encode(ALL)
    return _Joined.apply(encode(rows(number)), number)


class _Joined(torch.autograd.Function):
    """Rows of all processes; its gradient is this process's own part, N times."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, number: int) -> Tensor:
        ctx.number = number
        return joined_rows(own, number)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _count * gradient[rows(ctx.number)], None


@torch.no_grad()
def joined_rows(own: Tensor, number: int) -> Tensor:
    """The `number` rows of which this process has `rows(number)`, to the last bit."""
    if number < _count:
        return own
    sizes = [number // _count + (each < number % _count) for each in range(_count)]
    padded = own.new_zeros(sizes[0], *own.shape[1:])  # all send as much
    padded[: len(own)] = own
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


@torch.no_grad()
def means(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The mean of each tensor over all processes, the same bits in each."""
    if _count == 1 or not tensors:
        return list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    parts = (flat / _count).split([tensor.numel() for tensor in tensors])
    return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]


# Loaders -----------------------------------------------------------------------------------------


class _Rows:
    """Batches of indices, of each this process's rows."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        return (batch[rows(len(batch))] for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Turns:
    """Every N-th batch, from this process's number on; all else is theirs that they come from."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self.batches), _rank, None, _count)

    def __len__(self) -> int:
        return len(range(_rank, len(self.batches), _count))

    def __getattr__(self, name: str) -> Any:
        if name == "batches":  # not there yet
            raise AttributeError(name)
        return getattr(self.batches, name)


class _Picked(DataLoader):
    """A loader that reads some of what another one reads, in its order."""

    picks: type = _Turns

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(
            loader.dataset, batch_size=loader.batch_size, sampler=loader.sampler,
            drop_last=loader.drop_last, num_workers=loader.num_workers,
            collate_fn=loader.collate_fn, pin_memory=loader.pin_memory,
            persistent_workers=loader.persistent_workers, generator=loader.generator,
        )  # fmt: skip

    @property
    def _index_sampler(self) -> Any:
        return self.picks(super()._index_sampler)


class _SharedLoader(_Picked):
    """A training loader whose processes read their rows of each batch, and get all of it.

    What is no tensor, such as paths, is left out.
    """

    picks = _Rows

    def __init__(self, loader: DataLoader, device: torch.device) -> None:
        super().__init__(loader)
        self.device = device

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        left = len(self.sampler)
        for part in super().__iter__():
            number = min(self.batch_size, left)
            left -= number
            whole = {name: self._whole(value, number) for name, value in part.items()}
            yield {name: value for name, value in whole.items() if value is not None}

    def _whole(self, value: Any, number: int) -> Any:
        if isinstance(value, Tensor):
            return joined_rows(value.to(self.device, non_blocking=True), number)
        is_list = isinstance(value, list) and isinstance(value[0], Tensor)  # versions of images
        return [self._whole(each, number) for each in value] if is_list else None


def shared_loader(loader: Any, device: torch.device) -> Any:
    """A training loader of images, of whose batches each process reads a share; all have the whole.

    One of anything else, or of one process, stays as it is.
    """
    if _count == 1 or isinstance(loader, _Picked) or not isinstance(loader, DataLoader):
        return loader
    return _SharedLoader(loader, device)


def own_batches(loader: Any) -> Any:
    """This process's batches of a loader, every N-th; a `DataLoader` does not read the others."""
    if _count == 1:
        return loader
    return _Picked(loader) if isinstance(loader, DataLoader) else _Turns(loader)


def in_order(own: list[Any]) -> list[Any]:
    """What all processes made of each of `own_batches`, as one process would have made it."""
    if _count == 1:
        return own
    nothing = object()
    turns = zip_longest(*of_all(own), fillvalue=nothing)
    return [item for item in chain.from_iterable(turns) if item is not nothing]
