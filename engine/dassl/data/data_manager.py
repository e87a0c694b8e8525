"""From the configuration to loaders."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from tabulate import tabulate
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T
from yacs.config import CfgNode

from dassl.data.datasets import build_dataset
from dassl.data.datasets.base_dataset import Datum
from dassl.data.samplers import build_sampler
from dassl.data.seeded import SeededSampler, random_numbers_of
from dassl.data.transforms import INTERPOLATION_MODES, build_transform
from dassl.utils import read_image


def build_data_loader(
    cfg: CfgNode,
    sampler_type: str = "SequentialSampler",
    data_source: Sequence[Datum] | None = None,
    batch_size: int = 64,
    n_domain: int = 0,
    n_ins: int = 2,
    tfm: Any = None,
    is_train: bool = True,
    dataset_wrapper: Callable[..., Dataset] | None = None,
) -> DataLoader:
    """Build a loader of batches as dictionaries (see `DatasetWrapper`).

    In training the last, smaller batch is left out, unless it is the only one; the loading
    processes live on from epoch to epoch, and order and views belong to SEED and the epoch (see
    `dassl.data.seeded`). A `dataset_wrapper` that reads images in its own way has neither.

    Raises:
        ValueError: there are no images, or the sampler is unknown.
    """
    if not data_source:
        raise ValueError(
            f"Cannot build a {'training' if is_train else 'test'} loader: its list of images is "
            f"empty (data set {cfg.DATASET.NAME}). Check DATASET.ROOT and the split file."
        )
    sampler = build_sampler(
        sampler_type,
        cfg=cfg,
        data_source=data_source,
        batch_size=batch_size,
        n_domain=n_domain,
        n_ins=n_ins,
    )
    wrap = dataset_wrapper or DatasetWrapper
    images = wrap(cfg, data_source, transform=tfm, is_train=is_train)
    reads_as_ours = getattr(type(images), "__getitem__", None) is DatasetWrapper.__getitem__
    is_seeded = is_train and reads_as_ours
    seed = cfg.SEED if cfg.SEED >= 0 else None
    return DataLoader(
        images,
        batch_size=batch_size,
        sampler=SeededSampler(sampler, seed) if is_seeded else sampler,
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        drop_last=is_train and len(data_source) >= batch_size,
        pin_memory=torch.cuda.is_available() and cfg.USE_CUDA,
        persistent_workers=is_seeded and cfg.DATALOADER.NUM_WORKERS > 0,
        # A loader seeds new processes from it; the global one would count how often that happens.
        generator=torch.Generator() if is_seeded else None,
    )


def stop_processes(loader: DataLoader | None) -> None:
    """End the loading processes that a training loader keeps from epoch to epoch.

    After an error they are part of a reference cycle, and torch, left to itself, would wait seconds
    for each of them.
    """
    kept = getattr(loader, "_iterator", None)
    if kept is not None:
        kept._shutdown_workers()
        loader._iterator = None


class DataManager:
    """The data set of a run and its loaders.

    Args:
        cfg: the configuration.
        custom_tfm_train: transform to use in place of the configured one.
        custom_tfm_test: likewise for testing.
        dataset_wrapper: class to use in place of `DatasetWrapper`.

    Attributes:
        dataset: the data set.
        train_loader_x, test_loader: loaders.
        train_loader_u, val_loader: loaders, or None where the data set has no such images.

    Raises:
        ValueError: a split that is needed is empty.
    """

    def __init__(
        self,
        cfg: CfgNode,
        custom_tfm_train: Any = None,
        custom_tfm_test: Any = None,
        dataset_wrapper: Callable[..., Dataset] | None = None,
    ) -> None:
        self.cfg = cfg
        self.dataset = build_dataset(cfg)
        self._wrapper = dataset_wrapper
        self._tfm_train = self._transform(custom_tfm_train, is_train=True)
        self._tfm_test = self._transform(custom_tfm_test, is_train=False)

        loaders = cfg.DATALOADER
        unlabelled = loaders.TRAIN_X if loaders.TRAIN_U.SAME_AS_X else loaders.TRAIN_U
        self.train_loader_x = self._loader("train_x", loaders.TRAIN_X, is_train=True)
        self.train_loader_u = None
        if self.dataset.train_u:
            self.train_loader_u = self._loader("train_u", unlabelled, is_train=True)
        self.val_loader = None
        if self.dataset.val:
            self.val_loader = self._loader("val", loaders.TEST, is_train=False)
        self.test_loader = self._loader("test", loaders.TEST, is_train=False)

        self._num_classes = self.dataset.num_classes
        self._num_source_domains = len(cfg.DATASET.SOURCE_DOMAINS)
        self._lab2cname = self.dataset.lab2cname
        if cfg.VERBOSE:
            self.show_dataset_summary(cfg)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self._num_classes

    @property
    def num_source_domains(self) -> int:
        """Number of source domains in the configuration."""
        return self._num_source_domains

    @property
    def lab2cname(self) -> dict[int, str]:
        """Class name by label."""
        return self._lab2cname

    def show_dataset_summary(self, cfg: CfgNode) -> None:
        """Print a table of the data set's sizes."""
        rows = [["Dataset", cfg.DATASET.NAME]]
        if cfg.DATASET.SOURCE_DOMAINS:
            rows.append(["Source", cfg.DATASET.SOURCE_DOMAINS])
        if cfg.DATASET.TARGET_DOMAINS:
            rows.append(["Target", cfg.DATASET.TARGET_DOMAINS])
        rows.append(["# classes", f"{self.num_classes:,}"])
        for split in ("train_x", "train_u", "val", "test"):
            items = getattr(self.dataset, split)
            if items or split in ("train_x", "test"):
                rows.append([f"# {split}", f"{len(items):,}"])
        print(tabulate(rows))

    def _transform(self, custom: Any, *, is_train: bool) -> Any:
        if custom is None:
            return build_transform(self.cfg, is_train=is_train)
        print(f"* Using custom transform for {'training' if is_train else 'testing'}")
        return custom

    def _loader(self, split: str, node: CfgNode, *, is_train: bool) -> DataLoader:
        items = getattr(self.dataset, split)
        if not items:
            raise ValueError(
                f"The split {split} of data set {self.cfg.DATASET.NAME} is empty. "
                "Check DATASET.ROOT and the split file."
            )
        return build_data_loader(
            self.cfg,
            sampler_type=node.SAMPLER,
            data_source=items,
            batch_size=node.BATCH_SIZE,
            # The TEST node has no such keys: its samplers do not use them.
            n_domain=node.get("N_DOMAIN", 0),
            n_ins=node.get("N_INS", 2),
            tfm=self._tfm_train if is_train else self._tfm_test,
            is_train=is_train,
            dataset_wrapper=self._wrapper,
        )


class DatasetWrapper(Dataset):
    """Reads and transforms images.

    An item is a dictionary with label, domain, impath, index and img. Several transforms give
    img, img2, img3, ...; DATALOADER.K_TRANSFORMS > 1 in training makes img a list of K versions;
    DATALOADER.RETURN_IMG0 adds img0, the image resized but not augmented. Without a transform
    img is a PIL image. INPUT.DRAFT decodes large JPEGs for tests at a fraction of their size, see
    `read_image`, which a transform to INPUT.SIZE does not need; training crops them and does.

    Args:
        cfg: the configuration.
        data_source: the images.
        transform: a transform, or a list of them.
        is_train: the images are for training.

    Raises:
        ValueError: K_TRANSFORMS > 1 without a transform.
    """

    def __init__(
        self,
        cfg: CfgNode,
        data_source: Sequence[Datum],
        transform: Any = None,
        is_train: bool = False,
    ) -> None:
        self.cfg = cfg
        self.data_source = data_source
        self.transform = transform
        self.is_train = is_train
        self.k_tfm = cfg.DATALOADER.K_TRANSFORMS if is_train else 1
        self.return_img0 = cfg.DATALOADER.RETURN_IMG0
        drafts = cfg.INPUT.DRAFT and transform is not None and not is_train
        self.shorter_side = max(cfg.INPUT.SIZE) if drafts else 0
        if self.k_tfm > 1 and transform is None:
            raise ValueError(
                f"DATALOADER.K_TRANSFORMS is {self.k_tfm}, but there is no transform to apply. "
                "Set it to 1 or INPUT.NO_TRANSFORM to False."
            )
        interpolation = INTERPOLATION_MODES[cfg.INPUT.INTERPOLATION]
        steps: list[Any] = [
            T.Resize(tuple(cfg.INPUT.SIZE), interpolation=interpolation),
            T.ToTensor(),
        ]
        if "normalize" in cfg.INPUT.TRANSFORMS:
            steps.append(T.Normalize(mean=cfg.INPUT.PIXEL_MEAN, std=cfg.INPUT.PIXEL_STD))
        self.to_tensor = T.Compose(steps)

    def __len__(self) -> int:
        return len(self.data_source)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        with random_numbers_of(idx):
            return self._read(idx)

    def _read(self, idx: int) -> dict[str, Any]:
        item = self.data_source[idx]
        image = read_image(item.impath, self.shorter_side)
        output = {
            "label": item.label,
            "domain": item.domain,
            "impath": item.impath,
            "index": int(idx),
        }
        if self.transform is None:
            output["img"] = image
        elif isinstance(self.transform, list | tuple):
            for number, transform in enumerate(self.transform, start=1):
                key = "img" if number == 1 else f"img{number}"
                output[key] = self._apply(transform, image)
        else:
            output["img"] = self._apply(self.transform, image)
        if self.return_img0:
            output["img0"] = self.to_tensor(image)
        return output

    def _apply(self, transform: Callable[[Any], Any], image: Any) -> Any:
        versions = [transform(image) for _ in range(self.k_tfm)]
        return versions[0] if len(versions) == 1 else versions
