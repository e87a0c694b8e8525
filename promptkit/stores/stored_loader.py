"""Test images as features that were encoded before: the encoder is frozen, so they are the same."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from promptkit.random_state import seeded
from promptkit.stores.encoding import encode_all
from promptkit.stores.feature_bank import FeatureBank
from promptkit.stores.feature_store import FeatureStore, image_files_key


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
