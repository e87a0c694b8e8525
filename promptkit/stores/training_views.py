"""Frozen features of training images: each epoch's views are encoded once, for all methods.

A view belongs to (seed, epoch, image), see `dassl.data.seeded`, so methods with one seed, data set,
sampler and transform see the same ones, and what one has encoded the others read. Images are
encoded in the order of the data set and in blocks of a fixed size, whatever a method's batches are:
an epoch that is read equals one that is encoded to the last bit. What is kept stands before the
image encoder's last projection, which is one product for the epoch.
"""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from promptkit.random_state import seeded
from promptkit.stores.encoding import encode_loader, in_order
from promptkit.stores.feature_bank import FeatureBank
from promptkit.stores.feature_store import (
    LIMIT_GB,
    TRAINING,
    FeatureStore,
    default_folder,
    image_files_key,
)

# Steps of a transform that draw no random number.
FIXED = {"Resize", "CenterCrop", "ToTensor", "Normalize", "InstanceNormalization"}


def decide(mode: str, images: int, width: int, epochs: int) -> FeatureStore | None:
    """The store that keeps a run's views, or None; prints which, and how large they are.

    Args:
        mode: auto or on; auto keeps nothing where the views are more than the store's limit, or
            more than half of what is free on the disk.
        images, width, epochs: N, W and how many epochs the run has.
    """
    folder = default_folder() / TRAINING
    each = 4 * images * width / 1e6
    what = (
        f"Views of training images: {images} images, {epochs} epochs, {each:,.1f} MB an epoch, "
        f"{each * epochs:,.0f} MB in all"
    )
    free = shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free / 1e6
    reason = ""
    if each * epochs > LIMIT_GB * 1e3:
        reason = f"the store holds {LIMIT_GB:g} GB"
    elif each * epochs > free / 2:
        reason = f"{free:,.0f} MB are free on the disk"
    if mode == "auto" and reason:
        print(f"{what}; not kept, {reason} (FEATURES.TRAIN_STORE on keeps them)")
        return None
    print(f"{what}; read from and kept in {folder}")
    return FeatureStore(folder, limit_gb=LIMIT_GB if mode == "auto" else float("inf"))


def draws_nothing(loader: DataLoader) -> bool:
    """Whether a loader's transform is known to be the same each time: one view is all there is."""
    steps = _steps(loader)
    return bool(steps) and all(
        type(step).__name__ in FIXED
        and type(step).__module__.startswith(("torchvision.", "dassl."))
        for step in steps
    )


def _steps(loader: DataLoader) -> list[Any]:
    transform = getattr(loader.dataset, "transform", None)
    return [step for step in getattr(transform, "transforms", [transform]) if step is not None]


def why_not_of_epochs(loader: DataLoader) -> str:
    """Why views of a loader's images cannot be found again; "" where they can.

    They belong to (seed, epoch, image) with this project's engine and SEED 0 or more; and the
    transform must say what it does.
    """
    if getattr(loader.sampler, "seed", None) is None:
        return "views belong to epochs with this project's engine and SEED 0 or more"
    steps = _steps(loader)
    silent = [type(step).__name__ for step in steps if " at 0x" in repr(step)]
    if silent or not steps:
        return f"{' and '.join(silent) or 'the transform'} does not say what it does (__repr__)"
    return ""


class TrainingViews:
    """Features of a training loader's images, by epoch.

    Args:
        loader: of the images; `why_not_of_epochs` finds nothing.
        encode: images [B, 3, H, W] to what is kept of them, [B, W].
        finish: [N, W] to features [N, E].
        store: where they are kept; None keeps nothing.
        depends_on: what decides [B, W] besides images, transform, seed and epoch.
    """

    def __init__(
        self,
        loader: DataLoader,
        encode: Callable[[Tensor], Tensor],
        finish: Callable[[Tensor], Tensor],
        store: FeatureStore | None,
        depends_on: dict[str, Any],
    ) -> None:
        self.loader, self.encode, self.finish, self.store = loader, encode, finish, store
        items = loader.dataset.data_source
        self.labels = torch.tensor([item.label for item in items])
        self.depends_on = {
            **depends_on,
            "training": True,
            "images": image_files_key([item.impath for item in items]),
            "transform": repr(loader.dataset.transform),
            "seed": loader.sampler.seed,
        }
        self._images: DataLoader | None = None  # in the order of the data set
        self._is_fixed = draws_nothing(loader)
        self._only: Tensor | None = None  # the states of every epoch, where there is one view

    def states(self, epoch: int) -> Tensor:
        """What is kept of an epoch, [N, W], in the order of the data set."""
        if not self._is_fixed:
            return self._states(epoch)
        if self._only is None:
            self._only = self._states(0)
        return self._only

    def _states(self, epoch: int) -> Tensor:
        def compute() -> Tensor:
            with seeded(0):  # reading and encoding draw the same random numbers: none
                is_first = self._images is None  # one bar is enough
                self._images = self._images or in_order(self.loader, processes_stay=True)
                self._images.sampler.set_epoch(epoch)
                return encode_loader(self._images, self.encode, show=is_first)[0]

        if self.store is None:
            return compute()
        return self.store.get({**self.depends_on, "epoch": epoch}, compute, say=False)

    def close(self) -> None:
        """Ends the loading processes, which wait from epoch to epoch."""
        kept = getattr(self._images, "_iterator", None)
        if kept is not None:
            kept._shutdown_workers()
        self._images = None

    def of(self, epoch: int) -> Tensor:
        """Features [N, E] of an epoch, in the order of the data set, on the CPU."""
        return self.finish(self.states(epoch)).cpu()


class EpochLoader:
    """A training loader of features: its order and batches are those of the loader of images.

    Everything but its batches is the other loader's, the epoch that comes too.
    """

    def __init__(self, views: TrainingViews) -> None:
        self.views = views

    def __len__(self) -> int:
        return len(self.views.loader)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        loader = self.views.loader
        if loader.sampler.passes:  # a second one of this epoch has views of its own
            return iter(loader)
        features = self.views.of(loader.sampler.epoch)
        return iter(
            DataLoader(
                FeatureBank(features[None], self.views.labels),
                batch_size=loader.batch_size,
                sampler=loader.sampler,
                drop_last=loader.drop_last,
                pin_memory=loader.pin_memory,
                generator=loader.generator,  # so that both draw the same numbers
            )
        )

    def __getattr__(self, name: str) -> Any:
        if name == "views":  # not there yet
            raise AttributeError(name)
        return getattr(self.views.loader, name)
