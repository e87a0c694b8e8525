"""All images of a loader as features, with a bar that says how long it takes."""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler
from tqdm import tqdm

ENCODE_BATCH = 128  # images


@torch.no_grad()
def encode_all(
    loader: DataLoader,
    encode: Callable[[Tensor], Tensor],
    *,
    batch_size: int = ENCODE_BATCH,
    epoch: int = 0,
    show: bool = True,
) -> tuple[Tensor, Tensor]:
    """Features [N, E] and labels [N] of all images of a loader's data set, in its order.

    Args:
        loader: of the images.
        encode: images [B, 3, H, W] to features [B, E].
        batch_size: images that are encoded at once; it may decide the last bits.
        epoch: whose views, where the loader's are of epochs, as this project's engine's.
        show: the bar.
    """
    order = SequentialSampler(loader.dataset)
    if with_seeds := getattr(loader.sampler, "seeds_for", None):
        order = with_seeds(order, epoch)
    plain = DataLoader(
        loader.dataset, batch_size=batch_size, sampler=order, num_workers=loader.num_workers
    )
    parts = []
    with tqdm(total=len(loader.dataset), desc="Encoding", unit=" images", disable=not show) as bar:
        for batch in plain:
            if len(plain) == 1:  # no batch before it to tell the time by
                bar.set_postfix_str(f"about {_sec(encode, batch['img']):.0f} s")
            parts.append((encode(batch["img"]).cpu(), batch["label"]))
            bar.update(len(batch["label"]))
    features, labels = zip(*parts, strict=True)
    return torch.cat(features), torch.cat(labels)


def _sec(encode: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """Seconds that a batch will take, judged by its first image."""
    start = time.perf_counter()
    encode(images[:1]).cpu()
    return len(images) * (time.perf_counter() - start)
