"""One labelled image, and the base class of data sets."""

import os
import random
import sys
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from dassl.utils.tools import mkdir_if_missing


class Datum:
    """A labelled image file.

    The attributes' names and this module's path are part of the format: files of few-shot
    picks are pickles of this class.

    Args:
        impath: path of an existing file.
        label: class, from 0.
        domain: domain, from 0.
        classname: name of the class.

    Raises:
        TypeError: the path is no string.
        FileNotFoundError: there is no such file.
    """

    def __init__(
        self, impath: str = "", label: int = 0, domain: int = 0, classname: str = ""
    ) -> None:
        if not isinstance(impath, str):
            raise TypeError(f"Datum.impath must be a string; got {impath!r}.")
        if not os.path.isfile(impath):
            raise FileNotFoundError(
                f'Image "{impath}" not found (class "{classname}", label {label}). '
                "Check DATASET.ROOT and that the data set is unpacked completely."
            )
        self._impath = impath
        self._label = label
        self._domain = domain
        self._classname = classname

    @property
    def impath(self) -> str:
        """Path of the image file."""
        return self._impath

    @property
    def label(self) -> int:
        """Class, from 0."""
        return self._label

    @property
    def domain(self) -> int:
        """Domain, from 0."""
        return self._domain

    @property
    def classname(self) -> str:
        """Name of the class."""
        return self._classname

    def __repr__(self) -> str:
        return (
            f"Datum(impath={self._impath!r}, label={self._label}, "
            f"domain={self._domain}, classname={self._classname!r})"
        )


class DatasetBase:
    """Lists of `Datum`, by split, and the classes found in the labelled training list.

    Args:
        train_x: labelled training images.
        train_u: unlabelled training images (optional).
        val: validation images (optional).
        test: test images.

    Raises:
        ValueError: the labels of `train_x` are not 0..n-1, or one has two names; or a label of
            `val` or `test` is none of these, or has another name.
    """

    dataset_dir = ""  # folder below DATASET.ROOT
    domains: list[str] = []

    def __init__(
        self,
        train_x: Sequence[Datum] | None = None,
        train_u: Sequence[Datum] | None = None,
        val: Sequence[Datum] | None = None,
        test: Sequence[Datum] | None = None,
    ) -> None:
        self._train_x = train_x
        self._train_u = train_u
        self._val = val
        self._test = test
        self._num_classes = self.get_num_classes(train_x)
        self._lab2cname, self._classnames = self.get_lab2cname(train_x)
        for part, items in (("val", val), ("test", test)):
            _check_classes(part, items or (), self._lab2cname)

    @property
    def train_x(self) -> Sequence[Datum]:
        """Labelled training images."""
        return self._train_x

    @property
    def train_u(self) -> Sequence[Datum] | None:
        """Unlabelled training images, or None."""
        return self._train_u

    @property
    def val(self) -> Sequence[Datum] | None:
        """Validation images, or None."""
        return self._val

    @property
    def test(self) -> Sequence[Datum]:
        """Test images."""
        return self._test

    @property
    def lab2cname(self) -> dict[int, str]:
        """Class name by label."""
        return self._lab2cname

    @property
    def classnames(self) -> list[str]:
        """Class names, ordered by label."""
        return self._classnames

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self._num_classes

    @staticmethod
    def get_num_classes(data_source: Sequence[Datum]) -> int:
        """Return the number of classes.

        Raises:
            ValueError: there are no images, or the labels are not 0..n-1 without a gap.
        """
        labels = {item.label for item in data_source or ()}
        if not labels:
            raise ValueError(
                "The data set's train_x is empty: its class names are read from it. "
                "Check DATASET.ROOT and the split file."
            )
        missing = sorted(set(range(max(labels) + 1)) - labels)
        if missing or min(labels) < 0:
            what = f"missing: {_shorten(missing)}" if missing else f"got {min(labels)}"
            raise ValueError(
                f"The labels of train_x must be 0..{max(labels)}, each with at least one image; "
                f"{what}. Add images of these classes or renumber the labels."
            )
        return len(labels)

    @staticmethod
    def get_lab2cname(data_source: Sequence[Datum]) -> tuple[dict[int, str], list[str]]:
        """Return class name by label, and the class names ordered by label.

        Raises:
            ValueError: one label has two names.
        """
        names: dict[int, str] = {}
        for item in data_source:
            known = names.setdefault(item.label, item.classname)
            if known != item.classname:
                raise ValueError(
                    f'Label {item.label} has two class names, "{known}" and "{item.classname}" '
                    f'("{item.impath}"). Give each class a label of its own.'
                )
        mapping = {label: names[label] for label in sorted(names)}
        return mapping, list(mapping.values())

    def check_input_domains(
        self, source_domains: Sequence[str], target_domains: Sequence[str]
    ) -> None:
        """Check that all given domains belong to the data set.

        Raises:
            ValueError: one does not.
        """
        self.is_input_domain_valid(source_domains)
        self.is_input_domain_valid(target_domains)

    def is_input_domain_valid(self, input_domains: Sequence[str]) -> None:
        """Check that the given domains belong to the data set.

        Raises:
            ValueError: one does not.
        """
        for domain in input_domains:
            if domain not in self.domains:
                raise ValueError(f"Input domain must belong to {self.domains}, but got [{domain}]")

    def download_data(self, url: str, dst: str, from_gdrive: bool = True) -> None:
        """Download an archive (.zip, .tar, .tar.gz) from Google Drive and unpack it beside `dst`.

        Raises:
            NotImplementedError: another source or another kind of archive.
            ModuleNotFoundError: the package gdown is not installed.
        """
        if not from_gdrive:
            raise NotImplementedError("download_data reads from Google Drive only.")
        folder = os.path.dirname(dst)
        mkdir_if_missing(folder or ".")
        try:
            import gdown
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "Downloading from Google Drive needs gdown: pip install gdown"
            ) from error
        gdown.download(url, dst, quiet=False)
        extract_archive(dst)

    def generate_fewshot_dataset(
        self, *data_sources: Sequence[Datum], num_shots: int = -1, repeat: bool = False
    ) -> Any:
        """Pick `num_shots` images of every class with python's global generator.

        Args:
            data_sources: one or more lists; each is sampled on its own.
            num_shots: images a class; below 1 the lists are returned as they are.
            repeat: where a class has too few, draw with repetition instead of taking all.

        Returns:
            One list for one source, otherwise a list (a tuple for `num_shots` < 1) of lists.
        """
        if num_shots < 1:
            return data_sources[0] if len(data_sources) == 1 else data_sources
        print(f"Creating a {num_shots}-shot dataset")
        picked = [self._pick(source, num_shots, repeat) for source in data_sources]
        return picked[0] if len(picked) == 1 else picked

    def split_dataset_by_label(self, data_source: Sequence[Datum]) -> defaultdict[int, list[Datum]]:
        """Return the images by label, in order of first appearance."""
        groups: defaultdict[int, list[Datum]] = defaultdict(list)
        for item in data_source:
            groups[item.label].append(item)
        return groups

    def split_dataset_by_domain(
        self, data_source: Sequence[Datum]
    ) -> defaultdict[int, list[Datum]]:
        """Return the images by domain, in order of first appearance."""
        groups: defaultdict[int, list[Datum]] = defaultdict(list)
        for item in data_source:
            groups[item.domain].append(item)
        return groups

    def _pick(self, source: Sequence[Datum], num_shots: int, repeat: bool) -> list[Datum]:
        picked: list[Datum] = []
        for items in self.split_dataset_by_label(source).values():
            if len(items) >= num_shots:
                picked.extend(random.sample(items, num_shots))
            elif repeat:
                picked.extend(random.choices(items, k=num_shots))
            else:
                picked.extend(items)
        return picked


def _check_classes(part: str, items: Sequence[Datum], names: dict[int, str]) -> None:
    # A part may lack classes, and names altogether, but not contradict train_x.
    for item in items:
        known = names.get(item.label)
        if known is None:
            raise ValueError(
                f'Label {item.label} of {part} (class "{item.classname}", "{item.impath}") has no '
                f"image in train_x, whose labels are 0..{len(names) - 1}. Add training images or "
                "correct the label."
            )
        if item.classname not in (known, ""):
            raise ValueError(
                f'Label {item.label} is "{known}" in train_x and "{item.classname}" in {part} '
                f'("{item.impath}"). Give each label one name in all lists.'
            )


def extract_archive(path: str) -> None:
    """Unpack a .zip, .tar or .tar.gz into its own folder.

    Raises:
        NotImplementedError: another kind of file, or a tar and a Python that cannot check it.
    """
    folder = os.path.dirname(path)
    print("Extracting file ...")
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    elif path.endswith((".tar", ".tar.gz")):
        if not hasattr(tarfile, "data_filter"):
            raise NotImplementedError(
                f'Python {sys.version.split()[0]} cannot unpack "{path}" safely. Take 3.10.12, '
                "3.11.4 or a newer one, or unpack it by hand."
            )
        with tarfile.open(path) as archive:
            # "data" refuses members that would land outside the folder.
            archive.extractall(folder, filter="data")
    else:
        raise NotImplementedError(f'"{path}" must end in .zip, .tar or .tar.gz to be unpacked.')
    print(f"File extracted to {folder}")


def _shorten(labels: list[int]) -> str:
    head = ", ".join(map(str, labels[:10]))
    return head if len(labels) <= 10 else f"{head}, ... ({len(labels)} in all)"
