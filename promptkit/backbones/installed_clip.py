"""OpenAI's package `clip` as it is installed, also where a folder clip/ of a repository hides it.

Repositories of CoOp's layout carry a copy, and many have changed theirs: MaPLe's builds models with
prompts in them. `import clip` is the copy there, for the repository's own trainers. Ours never use
it while the package is installed. Without the package a copy that nobody has changed will do.
"""

import importlib
import importlib.util
import inspect
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

DISTRIBUTIONS = ("clip-anytorch", "clip")  # the latter is installed from OpenAI's repository
ALIAS = "promptkit_installed_clip"  # its name in sys.modules where another is `clip`
ARGUMENTS = ["state_dict"]  # of OpenAI's build_model


def find_clip() -> ModuleType:
    """The installed package, or else the only one that there is.

    Raises:
        ImportError: there is none, or a changed copy only.
    """
    installed, found = _installed(), importlib.util.find_spec("clip")
    if installed and (found is None or Path(found.origin or "/").resolve() != installed):
        return _load(installed)
    if found is None:
        raise ImportError(f"promptkit needs the package clip: pip install {DISTRIBUTIONS[0]}")
    clip = importlib.import_module("clip")
    arguments = list(inspect.signature(clip.model.build_model).parameters)
    if arguments != ARGUMENTS:
        raise ImportError(
            f"{found.origin} is a changed copy of OpenAI's clip (its build_model takes "
            f"{', '.join(arguments)}), with which promptkit cannot work, and the package itself is "
            f"not installed. It does no harm beside the copy: pip install {DISTRIBUTIONS[0]}"
        )
    return clip


def _installed() -> Path | None:
    """The package's __init__.py."""
    for name in DISTRIBUTIONS:
        try:
            path = Path(metadata.distribution(name).locate_file("clip/__init__.py"))
        except metadata.PackageNotFoundError:
            continue
        if path.is_file():
            return path.resolve()
    return None


def _load(path: Path) -> ModuleType:
    """Imports a package under ALIAS."""
    if ALIAS not in sys.modules:
        folders = [str(path.parent)]
        spec = importlib.util.spec_from_file_location(
            ALIAS, path, submodule_search_locations=folders
        )
        module = sys.modules[ALIAS] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except ImportError:
            del sys.modules[ALIAS]
            raise
    return sys.modules[ALIAS]


clip = find_clip()
CLIP = clip.model.CLIP
VisionTransformer, QuickGELU = clip.model.VisionTransformer, clip.model.QuickGELU
ResidualAttentionBlock = clip.model.ResidualAttentionBlock
build_model, convert_weights = clip.model.build_model, clip.model.convert_weights
