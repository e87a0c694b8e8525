"""The benchmarks. Importing this package registers every data set that has a module in it."""

import importlib
import pkgutil

import startup  # noqa: F401  (before anything imports torch or dassl)

TOOLS = ("check", "fetch")  # commands: python -m datasets.check

for _module in pkgutil.iter_modules(__path__):
    if _module.name not in TOOLS:
        importlib.import_module(f"{__name__}.{_module.name}")
