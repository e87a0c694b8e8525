"""The benchmarks. Importing this package registers every data set that has a module in it.

Hugging Face has a package of this name as well, which transformers and timm ask for. Where it is
installed, what is not here is found there: its modules in its folder, its names in its `__init__`.
"""

import importlib
import importlib.util
import pkgutil
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import startup  # noqa: F401  (before anything imports torch or dassl)

TOOLS = ("check", "check_own", "contact_sheet", "fetch", "finding", "missing")  # are commands

for _module in pkgutil.iter_modules(__path__):
    if _module.name not in TOOLS:
        importlib.import_module(f"{__name__}.{_module.name}")


def _folder_of_hugging_face() -> Path | None:
    """Where its package is installed, if it is."""
    try:
        folder = Path(metadata.distribution(__name__).locate_file(__name__))
    except metadata.PackageNotFoundError:
        return None
    return folder if (folder / "arrow_dataset.py").is_file() else None


_hugging_face = _folder_of_hugging_face()
if _hugging_face:
    __path__.append(str(_hugging_face))
    __version__ = metadata.version(__name__)  # its modules ask for it


def __getattr__(name: str) -> Any:
    if _hugging_face is None or name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_names_of_hugging_face(_hugging_face), name)


def _names_of_hugging_face(folder: Path) -> ModuleType:
    """Its `__init__`, carried out once as a module of this package."""
    name = f"{__name__}._hugging_face_names"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]
