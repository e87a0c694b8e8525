"""The layout of Hugging Face's `CLIPModel`, renamed to OpenAI's."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promptkit.backbones.backbone import GELU, QUICK_GELU

CONFIG = "config.json"  # beside the weights
# By encoder: its names there and here, of what it has once.
ONCE = {
    "text_model.": {
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.final_layer_norm.weight": "ln_final.weight",
        "text_model.final_layer_norm.bias": "ln_final.bias",
    },
    "vision_model.": {
        "vision_model.embeddings.class_embedding": "visual.class_embedding",
        "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
        "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
        "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",  # spelled so there
        "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
        "vision_model.post_layernorm.weight": "visual.ln_post.weight",
        "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    },
}
LAYERS = {"text_model.": "transformer.resblocks.", "vision_model.": "visual.transformer.resblocks."}
IN_LAYER = {
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.out_proj.": "attn.out_proj.",
}
TRANSPOSED = {
    "text_projection.weight": "text_projection",
    "visual_projection.weight": "visual.proj",
}
HEAD_SIZE = 64  # OpenAI's
DEFAULTS = {  # of transformers, which leaves them out of the file
    "text_config": {"hidden_act": QUICK_GELU, "hidden_size": 512, "num_attention_heads": 8},
    "vision_config": {"hidden_act": QUICK_GELU, "hidden_size": 768, "num_attention_heads": 12},
}


def is_clip(state: dict[str, Tensor]) -> bool:
    """Whether a state dict has the names of a `CLIPModel`."""
    return "text_model.embeddings.token_embedding.weight" in state


def as_openai(state: dict[str, Tensor], path: str) -> dict[str, Tensor]:
    """The tensors of a `CLIPModel` under OpenAI's names.

    Raises:
        ValueError: there is a tensor that OpenAI's CLIP does not have, or one is missing.
    """
    renamed, layers = {}, {}
    once = {there: here for names in ONCE.values() for there, here in names.items()}
    for key, value in state.items():
        if key.endswith(".position_ids"):  # 0, 1, 2, ...
            continue
        encoder = next((start for start in LAYERS if key.startswith(f"{start}encoder.layers.")), "")
        if encoder:
            number, _, name = key.removeprefix(f"{encoder}encoder.layers.").partition(".")
            layers.setdefault(f"{LAYERS[encoder]}{number}.", {})[name] = value
        elif key in TRANSPOSED:
            renamed[TRANSPOSED[key]] = value.t().contiguous()
        elif key in once or key == "logit_scale":
            renamed[once.get(key, key)] = value
        else:
            raise ValueError(f"The weights file {path} has {key!r}, which no CLIPModel has.")
    for prefix, parts in layers.items():
        renamed |= {f"{prefix}{name}": value for name, value in _layer(parts, path).items()}
    return renamed


def _layer(parts: dict[str, Tensor], path: str) -> dict[str, Tensor]:
    """One layer; queries, keys and values are one matrix here and three there."""
    found = {}
    for kind in ("weight", "bias"):
        names = [f"self_attn.{part}_proj.{kind}" for part in "qkv"]
        missing = [name for name in names if name not in parts]
        if missing:
            raise ValueError(f"The weights file {path} lacks {missing[0]!r} in a layer.")
        found[f"attn.in_proj_{kind}"] = torch.cat([parts[name] for name in names])
    for there, here in IN_LAYER.items():
        for kind in ("weight", "bias"):
            if there + kind in parts:
                found[here + kind] = parts[there + kind]
    return found


def activation(path: str) -> str | None:
    """What the configuration beside the weights says; None without one.

    Raises:
        ValueError: it says what OpenAI's CLIP cannot be: other heads, another activation.
    """
    file = Path(path).with_name(CONFIG)
    if not file.is_file():
        return None
    config = json.loads(file.read_text(encoding="utf-8"))
    towers = [defaults | config.get(name, {}) for name, defaults in DEFAULTS.items()]
    for tower in towers:
        if tower["hidden_size"] != HEAD_SIZE * tower["num_attention_heads"]:
            raise ValueError(
                f"{file} has {tower['num_attention_heads']} heads for a width of "
                f"{tower['hidden_size']}; OpenAI's CLIP has heads of {HEAD_SIZE}. Name the "
                "architecture, with weights of open_clip: open_clip:<model>@<weights>."
            )
    return _one_of(towers, file)


def _one_of(towers: list[dict[str, Any]], file: Path) -> str:
    found = {tower["hidden_act"] for tower in towers}
    if len(found) > 1 or not found <= {QUICK_GELU, GELU}:
        raise ValueError(
            f"{file} has the activation {', '.join(sorted(found))}; it must be {QUICK_GELU} or "
            f"{GELU}, one for both encoders."
        )
    return found.pop()
