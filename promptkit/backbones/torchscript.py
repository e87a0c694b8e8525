"""The tensors of a TorchScript archive, without its code: OpenAI's weights are such archives.

torch.jit.load compiles the code in an archive, and whoever made it decides what that does. Here
the pickled object tree alone is read, by an unpickler that knows tensors, containers and, as mere
holders of attributes, the modules of the archive. Code is looked at as text: which attributes of
a class are parameters and buffers, as in a state dict.
"""

import io
import pickle
import re
import zipfile
from typing import Any

import torch
from torch import Tensor

STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}  # fmt: skip
LISTS = ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")
CODE = "__torch__"  # what the names of the archive's own classes begin with


class Module:
    """A module of an archive: its attributes, and no behaviour."""

    name = ""  # of its class

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.attributes = state


class TensorsAlone(pickle.Unpickler):
    """Reads the object tree of an open archive; everything else that a pickle may ask for fails."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}/data.pkl")))
        self._archive, self._folder = archive, folder
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the pickle.

        Raises:
            pickle.UnpicklingError: the name is not one of those that hold tensors together.
        """
        if module.split(".")[0] == CODE:
            return type("ModuleOfTheArchive", (Module,), {"name": f"{module}.{name}"})
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor  # a bound method: a pickle cannot set anything on it
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch.jit._pickle" and name in LISTS:
            return list
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name} is not of a tensor")

    def persistent_load(self, pid: tuple) -> Tensor:
        """A storage as a flat tensor; `pid` is ("storage", type, name, device, elements)."""
        kind, dtype, name, _, elements = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"{pid!r:.60} is no storage")
        if name not in self._storages:
            member = self._archive.getinfo(f"{self._folder}/data/{name}")
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != (
                elements * dtype.itemsize
            ):
                raise pickle.UnpicklingError(f"the storage {name} is not of {elements} elements")
            content = bytearray(self._archive.read(member))
            self._storages[name] = (
                torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
            )
        return self._storages[name]

    def _tensor(self, storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
        return storage.as_strided(size, stride, offset)  # which refuses what is outside


def is_archive(path: str) -> bool:
    """Whether a file is a zip with TorchScript code in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def read_tensors(path: str) -> dict[str, Tensor]:
    """What `torch.jit.load(path).state_dict()` gives, without running or compiling anything.

    Raises:
        pickle.UnpicklingError: the file asks for other Python objects than tensors.
        Exception: of many kinds, where it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        tree = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = tree.removesuffix("/data.pkl")
        order = f"{folder}/byteorder"  # older archives have none
        if order in archive.namelist() and archive.read(order) != b"little":
            raise pickle.UnpicklingError("its bytes are in big-endian order")
        found: dict[str, Tensor] = {}
        _collect(TensorsAlone(archive, folder).load(), "", code_of(path), found)
    return found


def code_of(path: str) -> dict[str, str]:
    """The code of an archive, a text by the name of each module, as "__torch__.torch.nn"."""
    texts = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if "/code/" in name and name.endswith(".py"):
                module = name.partition("/code/")[2].removesuffix(".py").replace("/", ".")
                texts[module] = archive.read(name).decode(errors="replace")
    return texts


def _collect(module: Any, prefix: str, code: dict[str, str], found: dict[str, Tensor]) -> None:
    """Adds the tensors of a module and of those below it, by their names in a state dict."""
    if not isinstance(module, Module):
        raise pickle.UnpicklingError(f"there is a {type(module).__name__} in place of a module")
    kept = _kept(module.name, code)
    for name, value in module.attributes.items():
        if isinstance(value, Tensor) and name in kept:
            found[prefix + name] = value
        elif isinstance(value, Module):
            _collect(value, f"{prefix}{name}.", code, found)


def _kept(name: str, code: dict[str, str]) -> set[str]:
    """The parameters and buffers that a class declares: other tensors are no weights."""
    module, _, own = name.rpartition(".")
    body = re.split(rf"^class {re.escape(own)}\(.*$", code.get(module, ""), flags=re.M)[1:]
    of_this = re.split(r"^class ", body[0], flags=re.M)[0] if body else ""
    lists = re.findall(r"^  __(?:parameters|buffers)__ = \[(.*)\]$", of_this, re.M)
    return {attribute for line in lists for attribute in re.findall(r'"([^"]+)"', line)}
