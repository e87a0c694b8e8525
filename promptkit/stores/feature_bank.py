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


def check_views(cfg) -> None:
    """Raises ValueError unless FEATURES.VIEWS is possible."""
    views = cfg.FEATURES.VIEWS
    if views < 0:
        raise ValueError(f"FEATURES.VIEWS must be 0 (off) or a number of views; got {views}.")


def bank_loader(
    loader: DataLoader, encode: Callable[[Tensor], Tensor], *, views: int, seed: int
) -> DataLoader:
    """A loader over the features of `views` passes through `loader`'s images, in its order.

    Args:
        loader: the training loader; its transform makes the views.
        encode: images [B, 3, H, W] to features [B, E].
        views: K, 1 or more.
        seed: of the augmentation where the loader has none of its own; this project's engine gives
            view k what epoch k would see. The global random state is left as it was, so that a
            resumed run, which makes the same bank again, goes on with the same random numbers.
    """
    with seeded(seed):
        passes = [encode_all(loader, encode, epoch=view) for view in range(views)]
    bank = FeatureBank(torch.stack([features for features, _ in passes]), passes[0][1])
    return DataLoader(
        bank,
        batch_size=loader.batch_size,
        sampler=loader.sampler,
        drop_last=loader.drop_last,
        pin_memory=loader.pin_memory,
        generator=loader.generator,  # so that both draw the same numbers of the global one
    )
