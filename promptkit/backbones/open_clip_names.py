"""Names of open_clip's models, `open_clip:<model>@<weights>`: what they mean, before weights.

What a name stands for is opened by `open_clip_model.py`.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from promptkit.backbones.backbone import GELU, QUICK_GELU, ImageInput
from promptkit.did_you_mean import did_you_mean

PREFIX = "open_clip:"
# Beginnings of timm's image encoders that have tokens which others can join.
TIMM_WITH_TOKENS = "vit_", "eva", "vitamin"
TIMM_WITHOUT = "vit_relpos"


def library() -> ModuleType:
    """The package open_clip.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import open_clip
    except ImportError as error:
        raise ValueError(
            f"A backbone {PREFIX}... needs the package open_clip_torch ({error}). Install it: "
            "pip install open_clip_torch"
        ) from error
    return open_clip


@dataclass(frozen=True)
class OpenClipName:
    """One of open_clip's models.

    Attributes:
        model: as open_clip calls it.
        weights: one of its tags for them, a path, or "" for the only ones that there are.
    """

    model: str
    weights: str = ""

    @classmethod
    def parse(cls, name: str) -> "OpenClipName":
        """Of `open_clip:<model>` or `open_clip:<model>@<tag or file>`."""
        model, _, weights = name.removeprefix(PREFIX).partition("@")
        return cls(model.replace("/", "-"), weights)

    @property
    def path(self) -> str:
        """Of the weights, where they are a local file; else ""."""
        path = os.path.expanduser(self.weights)
        return path if self.weights and os.path.isfile(path) else ""

    @cached_property
    def config(self) -> dict[str, Any]:
        """The model's, as open_clip has it.

        Raises:
            ValueError: there is no such model.
        """
        found = library().get_model_config(self.model)
        if found is None:
            known = [f"{PREFIX}{model}" for model in library().list_models()]
            hint = did_you_mean(f"{PREFIX}{self.model}", known)
            raise ValueError(
                f"open_clip has no model '{self.model}'.{hint} python -m promptkit.backbones lists "
                "what there is."
            )
        return found

    @property
    def why_not(self) -> str:
        """Why the model cannot be opened here; "" if it can."""
        text = self.config["text_cfg"]
        if text.get("hf_model_name"):
            return f"its text encoder is transformers' {text['hf_model_name']}, not open_clip's own"
        if text.get("tokenizer_mode"):
            return f"its tokenizer works in another way ({text['tokenizer_mode']})"
        return ""

    @property
    def tag(self) -> str:
        """Of the weights; "" for a local file.

        Raises:
            ValueError: it is not one of the model's, or must be chosen.
        """
        if self.path:
            return ""
        tags = library().list_pretrained_tags_by_model(self.model)
        if library().is_pretrained_cfg(self.model, self.weights):
            return self.weights
        if not self.weights and len(tags) == 1:
            return tags[0]
        given = f"no weights '{self.weights}' and no such file" if self.weights else "none chosen"
        raise ValueError(
            f"{PREFIX}{self.model} needs weights; there are {', '.join(tags) or 'none'}; got "
            f"{given}. Write {PREFIX}{self.model}@<one of these, or the path of a file>."
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Facts of the weights that open_clip knows; of a file, where all the model's agree."""
        open_clip = library()
        tags = [self.tag] if not self.path else open_clip.list_pretrained_tags_by_model(self.model)
        found = [open_clip.get_pretrained_cfg(self.model, tag) for tag in tags]
        keys = {key for settings in found for key in settings}
        return {
            key: found[0].get(key)
            for key in keys
            if all(settings.get(key) == found[0].get(key) for settings in found)
        }

    @property
    def activation(self) -> str:
        """Of the weights under a tag; of a file, the model's.

        Raises:
            ValueError: the weights were trained with another one than the model has.
        """
        of_model = QUICK_GELU if self.config.get("quick_gelu") else GELU
        if self.path:
            return of_model
        of_weights = QUICK_GELU if self.settings.get("quick_gelu") else GELU
        if (of_model, of_weights) == (QUICK_GELU, GELU):
            raise ValueError(
                f"{PREFIX}{self.model} has {QUICK_GELU}, and the weights {self.tag} were trained "
                f"with {GELU}. Name the model without -quickgelu."
            )
        return of_weights

    @property
    def images(self) -> ImageInput:
        """What its image encoder expects."""
        chosen, usual = self.settings, ImageInput(self.config["vision_cfg"].get("image_size", 224))
        return ImageInput(
            usual.size,
            tuple(chosen.get("mean") or usual.mean),
            tuple(chosen.get("std") or usual.std),
            chosen.get("interpolation") or usual.interpolation,
        )

    @property
    def image_encoder(self) -> str:
        """What it is, in a word: timm's name, or the kind."""
        vision = self.config["vision_cfg"]
        kind = "a ResNet" if isinstance(vision.get("layers"), list) else "a vision transformer"
        return vision.get("timm_model_name") or kind

    @property
    def has_image_tokens(self) -> bool:
        """Whether learned tokens can join those of its images."""
        name = self.config["vision_cfg"].get("timm_model_name")
        if name:
            return name.startswith(TIMM_WITH_TOKENS) and not name.startswith(TIMM_WITHOUT)
        return not isinstance(self.config["vision_cfg"].get("layers"), list)

    @property
    def shares(self) -> bool:
        """Whether classes can share what their prompts begin with, by its config."""
        text = self.config["text_cfg"]
        reads_end = text.get("pool_type", "argmax") in ("argmax", "eos")
        otherwise = ("no_causal_mask", "embed_cls", "qk_norm", "scaled_cosine_attn", "scale_heads",
                     "scale_attn_inner", "scale_attn", "hf_model_name")  # fmt: skip
        return reads_end and not any(map(text.get, otherwise))
