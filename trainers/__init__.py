"""One file per method; importing the package registers every trainer in it with Dassl.

Installed, it is `promptkit.trainers` and registers none by itself: see `promptkit.plugin`.
"""

import importlib
import pkgutil

import promptkit  # noqa: F401  (before anything imports torch or dassl)

MODULES = [
    importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
]
