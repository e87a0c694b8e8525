"""CoOp's pickled lists of Datum, read without running what a pickle may run."""

from __future__ import annotations

import pickle

from datasets.entries import Entry
from datasets.text_files import HEAD, refuse_foreign

PICKLED_DATUM = ("dassl.data.datasets.base_dataset", "Datum")


class _PickledDatum:
    """Stands in for Datum while a pickle is read: it takes any state and does nothing."""


class _DatumUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        if (module, name) == PICKLED_DATUM:
            return _PickledDatum
        raise ValueError(
            f"it refers to {module}.{name}, and only {'.'.join(PICKLED_DATUM)} is allowed"
        )


def read_pickled_entries(path: str, parts: tuple[str, ...] | None = None) -> dict[str, list[Entry]]:
    """Lists of (path, label, class name) from CoOp's pickled lists of Datum, by name.

    Args:
        path: of the pickle.
        parts: names of the lists; None for those of a file of picks.

    Raises:
        ValueError: the file is damaged, or refers to anything but Datum.
    """
    with open(path, "rb") as file:
        try:
            refuse_foreign(path, file.read(HEAD))
            file.seek(0)
            data = _DatumUnpickler(file).load()
            return {
                name: [as_entry((i._impath, i._label, i._classname)) for i in data[name]]
                for name in parts or kept_parts(data)
            }
        except Exception as error:  # a damaged pickle can fail in any way
            raise unreadable(path, error) from error


def kept_parts(data: dict) -> tuple[str, ...]:
    """Names of the lists in a file of picks; CoOp's ImageNet keeps no val.

    Raises:
        ValueError: no training image was picked.
    """
    if not data["train"]:
        raise ValueError("it holds no training images")
    return ("train", "val") if "val" in data else ("train",)


def as_entry(values: tuple) -> Entry:
    """The values as they are; raises ValueError unless they are path, label and class name."""
    if [type(value) for value in values] != [str, int, str]:
        raise ValueError(f"expected path, label and class name; got {values!r}")
    return values


def unreadable(path: str, error: Exception) -> ValueError:
    """The error of a kept list that `error` came from."""
    return ValueError(
        f"{path} is no list of images ({type(error).__name__}: {error}). "
        "Delete it, and the images will be listed or picked anew."
    )
