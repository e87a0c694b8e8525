"""Image features in place of images.

For tests: the encoder is frozen, so features that were encoded before are read from the store.

For training: a bank, views of each image that are encoded once, then drawn from.
The image encoder is most of a step's cost. Without augmentation one view is all there
is, and training on the bank is training on the images, to rounding. With augmentation, k views per
image stand in for a fresh one at every step.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, SequentialSampler
from tqdm import tqdm

from dassl.utils import set_random_seed
from promptkit.stores.feature_store import FeatureStore, image_files_key

ENCODE_BATCH = 128  # images


class FeatureBank(Dataset):
    """Batches like the loader's, with features [E] under "img" instead of pixels.

    Args:
        features: [K, N, E], K views of N images.
        labels: [N].
    """

    def __init__(self, features: Tensor, labels: Tensor) -> None:
        self.features, self.labels = features, labels

    def __len__(self) -> int:
        return self.features.shape[1]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        num_views = len(self.features)
        # One view leaves nothing to draw: the random numbers then are those without a bank.
        view = int(torch.randint(num_views, ())) if num_views > 1 else 0
        return {"img": self.features[view, index], "label": self.labels[index]}


def check_views(cfg) -> None:
    """Raises ValueError unless FEATURES.VIEWS is possible."""
    views = cfg.FEATURES.VIEWS
    if views < 0:
        raise ValueError(f"FEATURES.VIEWS must be 0 (off) or a number of views; got {views}.")


@torch.no_grad()
def encode_all(
    loader: DataLoader, encode: Callable[[Tensor], Tensor], *, batch_size: int = ENCODE_BATCH
) -> tuple[Tensor, Tensor]:
    """Features [N, E] and labels [N] of all images of a loader's data set, in its order."""
    order = SequentialSampler(loader.dataset)
    # Of this project's engine: augmentation that does not depend on the number of processes.
    if with_seeds := getattr(loader.sampler, "seeds_for", None):
        order = with_seeds(order)
    plain = DataLoader(
        loader.dataset, batch_size=batch_size, sampler=order, num_workers=loader.num_workers
    )
    parts = []
    with tqdm(total=len(loader.dataset), desc="Encoding", unit=" images") as bar:
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


class StoredLoader:
    """A test loader of features that are read from a store, or encoded and written, when asked for.

    They are those that evaluation on the images would compute, to the last bit: encoded in the same
    batches. Everything but its batches is the loader's that it stands for.

    Args:
        loader: of the images.
        encode: images [B, 3, H, W] to features [B, E].
        store: where they are kept.
        depends_on: what decides them besides images, transform and batches.
    """

    def __init__(
        self,
        loader: DataLoader,
        encode: Callable[[Tensor], Tensor],
        store: FeatureStore,
        depends_on: dict[str, Any],
    ) -> None:
        self.loader, self.encode, self.store, self.depends_on = loader, encode, store, depends_on
        self.features: DataLoader | None = None

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        if self.features is None:
            self.features = self._open()
        return iter(self.features)

    def __getattr__(self, name: str) -> Any:
        if name == "loader":  # not there yet
            raise AttributeError(name)
        return getattr(self.loader, name)

    def _open(self) -> DataLoader:
        loader = self.loader
        items, transform = loader.dataset.data_source, repr(loader.dataset.transform)
        if " at 0x" in transform:  # it does not say what it does
            return loader
        depends_on = {
            **self.depends_on,
            "images": image_files_key([item.impath for item in items]),
            "batch_size": loader.batch_size,
            "transform": transform,
            "draft": getattr(loader.dataset, "shorter_side", 0),
        }
        with seeded(0):  # reading and encoding draw the same random numbers: none
            features = self.store.get(
                depends_on, lambda: encode_all(loader, self.encode, batch_size=loader.batch_size)[0]
            )
        labels = torch.tensor([item.label for item in items])
        return DataLoader(FeatureBank(features[None], labels), batch_size=loader.batch_size)


def bank_loader(
    loader: DataLoader, encode: Callable[[Tensor], Tensor], *, views: int, seed: int
) -> DataLoader:
    """A loader over the features of `views` passes through `loader`'s images, in its order.

    Args:
        loader: the training loader; its transform makes the views.
        encode: images [B, 3, H, W] to features [B, E].
        views: K, 1 or more.
        seed: of the augmentation. The global random state is left as it was, so that a resumed
            run, which makes the same bank again, goes on with the same random numbers.
    """
    with seeded(seed):
        passes = [encode_all(loader, encode) for _ in range(views)]
    bank = FeatureBank(torch.stack([features for features, _ in passes]), passes[0][1])
    return DataLoader(
        bank,
        batch_size=loader.batch_size,
        sampler=loader.sampler,
        drop_last=loader.drop_last,
        pin_memory=loader.pin_memory,
        generator=loader.generator,  # so that both draw the same numbers of the global one
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds all generators, and gives them their state back."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        set_random_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
