"""Training images as features: views of each that are encoded once, then drawn from.

The image encoder is most of a step's cost. Without augmentation one view is all there
is, and training on the bank is training on the images, to rounding. With augmentation, k views per
image stand in for a fresh one at every step.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from promptkit.random_state import seeded
from promptkit.stores.encoding import encode_all

MODES = ("auto", "on", "off")  # of FEATURES.TRAIN_STORE


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
        seed = getattr(index, "seed", None)  # of this project's engine: the epoch's and the image's
        # One view leaves nothing to draw: the random numbers then are those without a bank.
        if num_views == 1:
            view = 0
        else:
            view = int(torch.randint(num_views, ())) if seed is None else seed % num_views
        return {"img": self.features[view, index], "label": self.labels[index]}


def check_features(cfg) -> None:
    """Raises ValueError unless FEATURES.VIEWS and TRAIN_STORE are possible."""
    views, mode = cfg.FEATURES.VIEWS, cfg.FEATURES.TRAIN_STORE
    if views < 0:
        raise ValueError(f"FEATURES.VIEWS must be 0 (off) or a number of views; got {views}.")
    if mode not in MODES:
        raise ValueError(f"FEATURES.TRAIN_STORE must be one of {', '.join(MODES)}; got {mode!r}.")


def encoded_view(
    loader: DataLoader, encode: Callable[[Tensor], Tensor], seed: int, number: int
) -> Tensor:
    """Features [N, E] of one view of all images; the random state is left as it was.

    Args:
        loader: the training loader; its transform makes the view.
        encode: images [B, 3, H, W] to features [B, E].
        seed: of the augmentation where the loader has none of its own; with this project's engine
            a view is what the epoch of its number sees.
        number: of the view, from 0.
    """
    with seeded(1_000_003 * seed + number):
        return encode_all(loader, encode, epoch=number)[0]


def bank_loader(
    loader: DataLoader, view: Callable[[int], Tensor], labels: Tensor, *, views: int
) -> DataLoader:
    """A loader over `views` views of `loader`'s images, in its order.

    Args:
        loader: the training loader.
        view: features [N, E] of all images by the number of the view.
        labels: [N].
        views: K, 1 or more.
    """
    return DataLoader(
        FeatureBank(torch.stack([view(k) for k in range(views)]), labels),
        batch_size=loader.batch_size,
        sampler=loader.sampler,
        drop_last=loader.drop_last,
        pin_memory=loader.pin_memory,
        generator=loader.generator,  # so that both draw the same numbers of the global one
    )
