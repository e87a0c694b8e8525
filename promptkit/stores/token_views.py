"""Tokens of training images behind frozen layers: an epoch's are computed once, for all its steps.

They are many times as large as features (of ViT-B/16 197 x 768 numbers an image), so that they are
in memory for one epoch at a time, and on disk only where that is asked for.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from promptkit.stores.training_views import TrainingViews, decide, why_not_of_epochs

LIMIT_GB = 20.0  # of an epoch in memory


def token_views(
    mode: str,
    loader: DataLoader,
    encode: Callable[[Tensor], Tensor],
    *,
    shape: tuple[int, int],
    bytes_each: int,
    epochs: int,
    depends_on: dict[str, Any],
) -> TrainingViews | None:
    """Tokens [N, L, D] of a training loader's images, by epoch; None: steps compute their own.

    Args:
        mode: of FEATURES.TRAIN_STORE. auto keeps an epoch in memory, on also on disk.
        loader: of the images.
        encode: images [B, 3, H, W] to tokens [B, L, D].
        shape: L and D.
        bytes_each: of a number.
        epochs: how many the run has.
        depends_on: what decides the tokens besides images, transform, seed and epoch.

    Raises:
        ValueError: `mode` is on, and views of the images cannot be found again.
    """
    if mode == "off":
        return None
    why_not, count, width = why_not_of_epochs(loader), len(loader.dataset), shape[0] * shape[1]
    if mode == "on" and why_not:
        raise ValueError(f"FEATURES.TRAIN_STORE must be auto or off: {why_not}.")
    gigabytes = bytes_each * count * width / 1e9
    if not why_not and mode == "auto" and gigabytes > LIMIT_GB:
        why_not = f"an epoch has {gigabytes:,.1f} GB, more than {LIMIT_GB:g}"
    if why_not:
        print(f"Tokens of training images: not kept, {why_not}; steps compute their own")
        return None
    store = decide("on", count, width, epochs) if mode == "on" else None
    if store is None:
        print(
            f"Tokens of training images: {count} images, {1e3 * gigabytes:,.1f} MB, in memory for "
            "one epoch at a time (FEATURES.TRAIN_STORE on also keeps them on disk)"
        )
    return TrainingViews(
        loader,
        lambda images: encode(images).flatten(1),
        lambda flat: flat.unflatten(1, shape),
        store,
        depends_on,
    )
