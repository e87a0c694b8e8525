"""The modules of --import: a user's own, which register trainers or data sets."""

import importlib
import os
import sys
import traceback


def import_modules(names: list[str]) -> list:
    """The modules of --import; also from the folder that the command is called in.

    Raises:
        ValueError: there is no such module, it imports what is not there, or it fails.
    """
    if names and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    modules = []
    for name in names:
        try:
            modules.append(importlib.import_module(name))
        except ImportError as error:
            raise ValueError(f"--import {name}: {error}. {_advice(name, error)}") from error
        except (Exception, SystemExit) as error:  # any error is the module's own
            raise ValueError(
                f"--import {name}: it is there, but cannot be run: {type(error).__name__}: {error} "
                f"({_place(error)}). Correct it."
            ) from error
    return modules


def _place(error: BaseException) -> str:
    """File and line that an error was raised in, or that is no Python."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}"


def _advice(name: str, error: ImportError) -> str:
    """What to do about a module that cannot be imported."""
    if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
        return (
            f"Give a module's name with dots and without .py; it is looked for in {os.getcwd()} "
            "and in the installed packages (PYTHONPATH adds more)."
        )
    if "relative import" in str(error):
        return (
            "A file that says 'from .oxford_pets import' or 'from .coop import' is part of a "
            "package: write 'from datasets.oxford_pets', 'from trainers.coop', or put the file "
            "into datasets/ or trainers/."
        )
    return "The module is there, but it imports what is not: docs/extending.md names what is."
