"""What lies beside promptkit in a clone of the project, and is not installed with it."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

HOME = Path(__file__).resolve().parents[1]  # of the clone, or of all packages that are installed
IS_CLONE = (HOME / "engine/dassl").is_dir()


def from_clone(name: str) -> ModuleType | None:
    """A module of the clone, imported; None where promptkit is installed.

    There a module of that name, such as `trainers`, is the user's own, and is left alone.
    """
    spec = importlib.util.find_spec(name.partition(".")[0]) if IS_CLONE else None
    if spec is None or HOME not in Path(spec.origin or "/").resolve().parents:
        return None
    return importlib.import_module(name)
