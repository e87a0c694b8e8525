"""What all tests share: a tiny random CLIP, a tiny data set on disk, runs of train.py on both."""

import json
import os
import sys

import numpy as np
import pytest
import torch
from clip.model import CLIP
from hypothesis import HealthCheck, settings
from PIL import Image

import train
from dassl.data.datasets import DATASET_REGISTRY
from dassl.engine import build_trainer
from dassl.utils import set_random_seed
from datasets.coop import CoOpDataset
from pocket.scenes import draw_scenes
from pocket.vocabulary import SHAPES
from pocket.world import render
from promptkit.backbones.backbone import Backbone
from promptkit.backbones.openai_clip import OpenAIBackbone

# A busy machine is no failure.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("untimed"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "untimed"))

TINY_SIZE = 32
# What keeps trainers within the tiny CLIP's 3 text and 2 image layers, or within one epoch.
TINY_OPTIONS = {
    **{
        name: ("OPTIM.MAX_EPOCH", 1, f"TRAINER.{name.upper()}.VIEWS", 2)
        for name in ("GDA", "LPPlusPlus", "ProLIP", "TipAdapter")
    },
    **{name: (f"TRAINER.{name.upper()}.VIEWS", 2) for name in ("CLAP", "CLIPAdapter", "TaskRes",
                                                               "ZSLP")},
    "TipAdapterF": ("OPTIM.NAME", "adamw", "TRAINER.TIPADAPTERF.VIEWS", 2),
    "CLIPLoRA": (
        "OPTIM.MAX_EPOCH", 1, "TRAINER.CLIPLORA.ITERATIONS", 1, "TRAINER.CLIPLORA.DROPOUT", 0.0,
    ),
    "CoPrompt": (
        "TRAINER.COPROMPT.PROMPT_DEPTH", 2, "DATALOADER.K_TRANSFORMS", 2,
        "TRAINER.COPROMPT.TEMPLATES", "ensemble80",
    ),
    "DeKg_TCP": ("TRAINER.DEKG_TCP.LAYER", 1),
    "IVLP": ("TRAINER.IVLP.PROMPT_DEPTH_VISION", 2, "TRAINER.IVLP.PROMPT_DEPTH_TEXT", 3),
    "LinearProbe": ("OPTIM.MAX_EPOCH", 1),
    "MMA": ("TRAINER.MMA.ADAPTER_START", 2, "TRAINER.MMA.ADAPTER_END", 2),
    "MaPLe": ("TRAINER.MAPLE.PROMPT_DEPTH", 2),
    "MaPLe_ATP": ("TRAINER.MAPLE_ATP.PROMPT_DEPTH", 2),
    **{
        name: (f"TRAINER.{name.upper()}.REP_LAYERS", "[2]", f"TRAINER.{name.upper()}.REP_DIM", 16)
        for name in ("MMRL", "MMRLpp")
    },
    "PromptSRC": (
        "TRAINER.PROMPTSRC.PROMPT_DEPTH_VISION", 2, "TRAINER.PROMPTSRC.PROMPT_DEPTH_TEXT", 3,
    ),
    "SkipTuning": ("TRAINER.SKIPTUNING.START_LAYER", 1),
    "ProText": (
        "TRAINER.PROTEXT.PROMPT_DEPTH_TEXT", 2, "TRAINER.PROTEXT.TEMPLATES", "ensemble80",
        "DATALOADER.TRAIN_X.BATCH_SIZE", 200,
    ),
    "TCP": ("TRAINER.TCP.LAYER", 1),
    "TwoSFS": ("OPTIM.MAX_EPOCH", 1, "TRAINER.TWOSFS.ITERATIONS", 1),
    "VPT": ("TRAINER.VPT.PROMPT_DEPTH_VISION", 2),
}  # fmt: skip
IMAGENET_INPUT = (
    "INPUT.PIXEL_MEAN", "[0.485, 0.456, 0.406]", "INPUT.PIXEL_STD", "[0.229, 0.224, 0.225]",
    "INPUT.INTERPOLATION", "bilinear",
)  # fmt: skip
TINY_CLASSES = ("arrow", "circle", "cross_shape", "heart", "ring", "star")


@pytest.fixture(autouse=True, scope="session")
def _one_thread_per_worker():
    """Tests run in parallel processes; more threads each would only get in the way."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _own_feature_store(tmp_path_factory):
    """Tests leave the user's store alone."""
    os.environ["PROMPTKIT_FEATURES"] = str(tmp_path_factory.mktemp("features"))


@pytest.fixture(autouse=True)
def _restored_streams(monkeypatch):
    """A run tees stdout into its log: give it back after the test."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)


def make_tiny_clip() -> CLIP:
    """A random CLIP, fp32 and frozen: width 64, CLIP's vocabulary, 32-pixel images."""
    generator_state = torch.get_rng_state()
    torch.manual_seed(7)
    model = CLIP(
        embed_dim=32, image_resolution=TINY_SIZE, vision_layers=2, vision_width=64,
        vision_patch_size=16, context_length=77, vocab_size=49408, transformer_width=64,
        transformer_heads=1, transformer_layers=3,
    )  # fmt: skip
    # CLIP's own initialisation is small: with it, everything after the embedding hardly counts.
    for block in model.transformer.resblocks:
        torch.nn.init.normal_(block.attn.in_proj_weight, std=0.2)
        torch.nn.init.normal_(block.mlp.c_fc.weight, std=0.1)
    torch.nn.init.normal_(model.positional_embedding, std=0.3)
    torch.nn.init.normal_(model.token_embedding.weight, std=0.5)
    torch.set_rng_state(generator_state)
    return model.eval().requires_grad_(False)


@pytest.fixture
def tiny_clip() -> Backbone:
    """See `make_tiny_clip`."""
    return OpenAIBackbone(make_tiny_clip())


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> str:
    """Path of the tiny CLIP as a state-dict file that states its activation."""
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    torch.save({"state_dict": make_tiny_clip().state_dict(), "activation": "quick_gelu"}, path)
    return str(path)


@DATASET_REGISTRY.register()
class TinyShapes(CoOpDataset):
    """Six classes; 8 training, 4 validation and 6 test images each."""

    dataset_dir = "tiny"
    image_dir = "images"
    split_file = "split.json"
    template = "a drawing of a {}."


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory) -> str:
    """DATASET.ROOT with the images of TinyShapes."""
    root = tmp_path_factory.mktemp("data")
    (root / "tiny/images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    split = {"train": [], "val": [], "test": []}
    for label, name in enumerate(TINY_CLASSES):
        shape = SHAPES.index(name.removesuffix("_shape"))
        scenes = draw_scenes(18, rng, shape=shape, style=0)
        for number, pixels in enumerate(render(scenes, rng, size=TINY_SIZE)):
            part = "train" if number < 8 else "val" if number < 12 else "test"
            Image.fromarray(pixels).save(root / "tiny/images" / f"{name}_{number}.png")
            split[part].append([f"{name}_{number}.png", label, name])
    (root / "tiny/split.json").write_text(json.dumps(split))
    return str(root)


@pytest.fixture
def tiny_argv(tiny_root, tiny_weights, tmp_path):
    """Builds a command line of train.py: tiny CLIP, TinyShapes, two epochs of two batches."""

    def build(trainer: str, *extra, output: str = "run", flags: tuple = ()) -> list[str]:
        return [
            "--transforms", "random_flip", "normalize", "--trainer", trainer,
            "--root", tiny_root, "--seed", "1",
            "--output-dir", str(tmp_path / output), "--backbone", tiny_weights,
            *flags,
            "DATASET.NAME", "TinyShapes", "DATASET.NUM_SHOTS", "4",
            "INPUT.SIZE", f"({TINY_SIZE}, {TINY_SIZE})", *IMAGENET_INPUT,
            "DATALOADER.NUM_WORKERS", "0",
            "DATALOADER.TRAIN_X.BATCH_SIZE", "12", "OPTIM.NAME", "sgd", "OPTIM.LR", "0.05",
            "OPTIM.MAX_EPOCH", "2", "OPTIM.LR_SCHEDULER", "cosine",
            *map(str, TINY_OPTIONS.get(trainer, ())), *map(str, extra),
        ]  # fmt: skip

    return build


@pytest.fixture
def tiny_trainer(tiny_argv):
    """Builds a trainer in this process, seeded like a run."""

    def build(trainer: str, *extra, output: str = "run"):
        cfg = train.setup_cfg(train.parse_args(tiny_argv(trainer, *extra, output=output)))
        set_random_seed(cfg.SEED)
        return build_trainer(cfg)

    return build
