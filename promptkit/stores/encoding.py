"""All images of a loader as features, with a bar that says how long it takes."""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler
from tqdm import tqdm

from promptkit import ranks

ENCODE_BATCH = 128  # images


def encode_all(
    loader: DataLoader,
    encode: Callable[[Tensor], Tensor],
    *,
    batch_size: int = ENCODE_BATCH,
    epoch: int = 0,
) -> tuple[Tensor, Tensor]:
    """Features [N, E] and labels [N] of all images of a loader's data set, in its order.

    Args:
        loader: of the images.
        encode: images [B, 3, H, W] to features [B, E].
        batch_size: images that are encoded at once; it may decide the last bits.
        epoch: whose views, where the loader's are of epochs, as this project's engine's.
    """
    return encode_loader(in_order(loader, batch_size, epoch=epoch), encode)


def in_order(
    loader: DataLoader,
    batch_size: int = ENCODE_BATCH,
    *,
    epoch: int = 0,
    processes_stay: bool = False,
) -> DataLoader:
    """The images of a loader in the order of its data set, all of them.

    Of several processes each gets every N-th batch; `encode_loader` joins what it makes of them.

    Args:
        loader: of the images.
        batch_size: of the new loader.
        epoch: whose views.
        processes_stay: loading processes wait for the next pass.
    """
    order = SequentialSampler(loader.dataset)
    if with_seeds := getattr(loader.sampler, "seeds_for", None):
        order = with_seeds(order, epoch)
    workers = loader.num_workers
    loader = DataLoader(
        loader.dataset, batch_size=batch_size, sampler=order, num_workers=workers,
        persistent_workers=processes_stay and workers > 0,
    )  # fmt: skip
    return ranks.own_batches(loader)


@torch.no_grad()
def encode_loader(
    loader: DataLoader, encode: Callable[[Tensor], Tensor], *, show: bool = True
) -> tuple[Tensor, Tensor]:
    """Features [N, E] and labels [N] of the batches of `in_order`, with a bar if `show`."""
    parts = []
    with tqdm(total=len(loader.dataset), desc="Encoding", unit=" images", disable=not show) as bar:
        for batch in loader:
            if len(loader) == 1:  # no batch before it to tell the time by
                bar.set_postfix_str(f"about {_sec(encode, batch['img']):.0f} s")
            parts.append((encode(batch["img"]).cpu(), batch["label"]))
            bar.update(min(ranks.count() * len(batch["label"]), bar.total - bar.n))
    features, labels = zip(*ranks.in_order(parts), strict=True)
    return torch.cat(features), torch.cat(labels)


def _sec(encode: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """Seconds that a batch will take, judged by its first image."""
    start = time.perf_counter()
    encode(images[:1]).cpu()
    return len(images) * (time.perf_counter() - start)
