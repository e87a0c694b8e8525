"""Which activation a CLIP has: what its file says, its checksum shows, or the user.

open_clip's models with QuickGELU and with GELU have the same names and shapes, and with the wrong
one all features are wrong: a file that says neither is refused.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptkit.backbones import torchscript
from promptkit.backbones.backbone import AUTO, GELU, QUICK_GELU
from promptkit.backbones.embedded import EMBEDDED, embedded
from promptkit.backbones.installed_clip import clip
from promptkit.files import checksum

# The class of the activation in the code of an archive.
CLASSES = {"QuickGELU": QUICK_GELU, "GELU": GELU}
KEY = "MODEL.BACKBONE.ACTIVATION"
ACTIVATIONS = (AUTO, QUICK_GELU, GELU)


def check_activation(activation: str) -> None:
    """Raises ValueError unless `MODEL.BACKBONE.ACTIVATION` is one of those that there are."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"{KEY} must be one of {', '.join(ACTIVATIONS)}; got {activation!r}.")


def chosen_activation(given: str, found: str | None, name: str) -> str:
    """The activation that is given or found.

    Raises:
        ValueError: it is neither, or the two differ.
    """
    if given == AUTO and found is None:
        raise ValueError(
            f"The weights file {name} does not say which activation its CLIP has, and with another "
            f"one all features are wrong. Set {KEY} {QUICK_GELU} for OpenAI's weights and for "
            f"those that open_clip opens as -quickgelu (MetaCLIP's and DFN's are), {KEY} {GELU} "
            "for all others of open_clip."
        )
    if AUTO != given != found is not None:
        raise ValueError(
            f"{KEY} is {given}, and the CLIP of {name} has {found}. Leave the key out, or set it "
            f"to {found}."
        )
    return given if found is None else found


def activation_by_checksum(path: str) -> str | None:
    """QuickGELU of files that are known to have it: embedded weights and OpenAI's downloads."""
    own = [module.SHA256 for name in EMBEDDED if (module := embedded(name))]
    known = {url.split("/")[-2] for url in clip.clip._MODELS.values()} | set(own)
    return QUICK_GELU if checksum(path) in known else None


def stated(content: Any, path: str) -> str | None:
    """The activation that a file says, or the configuration that open_clip puts beside its own.

    Raises:
        ValueError: it says one that is unknown.
    """
    activation = content.get("activation") if isinstance(content, Mapping) else None
    beside = Path(path).with_name("open_clip_config.json")
    if activation is None and Path(path).name.startswith("open_clip_") and beside.is_file():
        model = json.loads(beside.read_text(encoding="utf-8")).get("model_cfg", {})
        activation = QUICK_GELU if model.get("quick_gelu") else GELU
    if activation not in (None, QUICK_GELU, GELU):
        raise ValueError(
            f"The weights file {path} has the activation {activation!r}; it must be {QUICK_GELU} "
            f"or {GELU}."
        )
    return activation


def activation_in_code(path: str) -> str | None:
    """That of the one class of activation which an archive's code defines."""
    found = set()
    for code in torchscript.code_of(path).values():
        found |= set(re.findall(r"^class (\w+)\(", code, re.M)) & set(CLASSES)
    return CLASSES[found.pop()] if len(found) == 1 else None
