"""Which activation a CLIP has: what its file says, its checksum shows, or the user.

open_clip's models with QuickGELU and with GELU have the same names and shapes, and with the wrong
one all features are wrong: a file that says neither is refused.
"""

from promptkit.backbones.backbone import AUTO, GELU, QUICK_GELU
from promptkit.backbones.installed_clip import clip
from promptkit.clone import from_clone
from promptkit.files import checksum

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
    """QuickGELU of files that are known to have it: the pocket weights and OpenAI's downloads."""
    pocket = from_clone("pocket.weights")
    known = {url.split("/")[-2] for url in clip.clip._MODELS.values()}
    known |= {pocket.SHA256} if pocket else set()
    return QUICK_GELU if checksum(path) in known else None
