"""Architectures of open_clip, one a family, shrunk: width 64, 2 layers, random weights."""

import copy
import functools
from unittest import mock

import pytest
import torch
from torch import nn

from promptkit.backbones.backbone import ImageInput
from promptkit.backbones.open_clip_model import OpenClipBackbone

open_clip = pytest.importorskip("open_clip", reason="open_clip_torch is not installed")
SIZE = 32
# A model of each family whose text encoder is causal and read at the end of text, ...
SHARED = (
    "ViT-B-16", "ViT-B-32-quickgelu", "RN50", "ViT-H-14", "ViT-bigG-14", "EVA01-g-14", "EVA02-B-16",
    "EVA02-E-14-plus", "ViTamin-B", "MobileCLIP-B", "MobileCLIP2-B", "PE-Core-T-16-384",
    "PE-Core-bigG-14-448", "convnext_base_w", "ViT-H-14-worldwide",
)  # fmt: skip
# ... and of each whose text encoder is not.
WHOLE = (
    "MobileCLIP-S1", "MobileCLIP2-S4", "coca_ViT-B-32", "ViT-B-16-SigLIP", "ViT-SO400M-14-SigLIP",
    "ViT-B-16-SigLIP2", "ViT-L-14-CLIPA",
)  # fmt: skip
SMALL_TIMM = ("eva", "vit_base_patch16_siglip", "vit_so400m_patch14_siglip", "vit_pe_core")
SMALL = {"width": 64, "heads": 2, "layers": 2}


def shrunk_config(name: str) -> dict:
    """open_clip's configuration with small sizes; conv image encoders become a small ViT."""
    config = copy.deepcopy(open_clip.get_model_config(name))
    config["embed_dim"] = 64
    vision, text = config["vision_cfg"], config["text_cfg"]
    text |= SMALL
    text.pop("hf_tokenizer_name", None)
    if "multimodal_cfg" in config:
        config["multimodal_cfg"] |= SMALL
    if isinstance(vision.get("layers"), list):
        vision |= {"layers": [1, 1, 1, 1], "width": 16, "image_size": SIZE}
    elif str(vision.get("timm_model_name", "")).startswith(SMALL_TIMM):
        vision["image_size"] = SIZE
    else:
        kept = {key: value for key, value in vision.items() if not key.startswith("timm")}
        config["vision_cfg"] = kept | {
            "layers": 2, "width": 64, "head_width": 32, "patch_size": 16, "image_size": SIZE,
        }  # fmt: skip
    return config


def _small_timm(create):
    sizes = {"img_size": SIZE, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 2}
    return lambda name, **kwargs: create(name, **kwargs, **sizes)


def random_model(config: dict) -> nn.Module:
    """A model of such a configuration; its weights are large enough for everything to matter."""
    config = copy.deepcopy(config)
    custom = config.pop("custom_text", False)
    multimodal = "multimodal_cfg" in config
    kind = open_clip.CoCa if multimodal else open_clip.CustomTextCLIP if custom else open_clip.CLIP
    timm = pytest.importorskip("timm", reason="timm is not installed")
    with (
        torch.random.fork_rng(),
        mock.patch.object(timm, "create_model", _small_timm(timm.create_model)),
    ):
        torch.manual_seed(5)
        model = kind(**config)
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 or "embed" in name or "gamma" in name:
                nn.init.normal_(parameter, std=0.4 if "embed" in name else 0.15)
            elif not name.startswith("logit"):
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval().requires_grad_(False)


class StandIn:
    """Stands in for a tokenizer whose vocabulary is a download, with other ids around the words.

    The words are open_clip's byte pairs, their ids brought into a small vocabulary.
    """

    def __init__(self, context_length: int, vocabulary: int, special: tuple) -> None:
        self.context_length, self.vocabulary = context_length, vocabulary
        self.start, self.end, self.pad = special
        self.tokenizer, self.clean_fn = self, open_clip.tokenizer.get_clean_fn("canonicalize")
        self.pairs = open_clip.SimpleTokenizer(clean="canonicalize")

    def __call__(self, texts, add_special_tokens: bool = True):
        if not add_special_tokens:
            return mock.Mock(input_ids=self._words(texts))
        rows = torch.full((len(texts), self.context_length), self.pad)
        for row, text in zip(rows, texts, strict=True):
            ids = [*self.start, *self._words(text), self.end]
            row[: len(ids)] = torch.tensor(ids)
        return rows

    def _words(self, text: str) -> list[int]:
        return [200 + id_ % (self.vocabulary - 200) for id_ in self.pairs.encode(text)]

    def convert_ids_to_tokens(self, id_: int) -> str:
        """Of one id."""
        return str(id_)


# Of such tokenizers: ids in front of the words, behind them, and in what is left.
SPECIAL = {"SigLIP": ((), 1, 1), "CLIPA": ((101,), 0, 0), "worldwide": ((0,), 2, 1)}


@functools.cache
def backbone_of(name: str) -> OpenClipBackbone:
    """The shrunk model of a family, opened; made once, so leave it as it is."""
    config = shrunk_config(name)
    text = config["text_cfg"]
    special = next((ids for part, ids in SPECIAL.items() if part in name), None)
    if special:
        text["vocab_size"] = 1000
        tokenizer = StandIn(text["context_length"], text["vocab_size"], special)
    else:
        tokenizer = open_clip.SimpleTokenizer(context_length=text.get("context_length", 77))
    activation = "quick_gelu" if config.get("quick_gelu") else "gelu"
    return OpenClipBackbone(
        random_model(config), tokenizer=tokenizer, images=ImageInput(SIZE), activation=activation
    )
