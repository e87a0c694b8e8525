"""CLIP-LoRA: low-rank updates of queries, keys and values in every layer of both encoders.

    W x + ALPHA / sqrt(R) B A drop(x)      A [R, D] kaiming-uniform (a = sqrt 5), B [D, R] zero
    L = CE(100 <z, t_c>, y), the sentences of all classes encoded in every step

AdamW, a cosine over all steps to 1e-6; ITERATIONS x shots steps whatever the data set, from which
the number of epochs follows. One recipe for every data set, nothing chosen. It fits all classes.

Paper: Low-Rank Few-Shot Adaptation of Vision-Language Models, arXiv:2405.18541. Published code:
MaxZanella/CLIP-LoRA at 358f0d7, lora.py and loralib/. Differences: with dropout, tokens that the
classes' sentences share (and only those) share their mask, see promptkit/encoders/low_rank.py; the
last, smaller batch of an epoch is left out, as everywhere in this engine; precision is PREC's.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from promptkit.config import OptionError, PromptConfig, require, require_range
from promptkit.encoders.image_encoder import encode_image
from promptkit.encoders.low_rank import IMAGES, PARTS, TEXT, LowRank
from promptkit.encoders.text_encoder import Prompts
from promptkit.frozen_features import unit
from promptkit.prompts.sentences import fixed_prompts
from promptkit.prompts.templates import dataset_template, fill
from promptkit.registry import register
from promptkit.trainer import PromptTrainer

LOWEST_LR = 1e-6
ENCODERS = {"both": (TEXT, IMAGES), "text": (TEXT,), "vision": (IMAGES,)}


@dataclass(frozen=True, kw_only=True)
class CLIPLoRAConfig(PromptConfig):
    """Options under TRAINER.CLIPLORA."""

    encoder: str = "both"  # both | text | vision
    params: str = "qkv"  # some of q, k and v
    r: int = 2
    alpha: float = 1.0
    dropout: float = 0.25  # of what goes into A, in training
    lr: float = 2e-4
    weight_decay: float = 1e-2
    iterations: int = 500  # steps for each shot

    def __post_init__(self) -> None:
        super().__post_init__()
        require("encoder", self.encoder, tuple(ENCODERS))
        if not self.params or set(self.params) - set(PARTS):
            raise OptionError(f"PARAMS must be some of the letters {PARTS}; got {self.params!r}.")
        for name in ("r", "iterations"):
            require_range(name, getattr(self, name), 1)
        require_range("alpha", self.alpha, 0, open_low=True)
        require_range("dropout", self.dropout, 0, 0.99)
        require_range("lr", self.lr, 0, open_low=True)
        require_range("weight_decay", self.weight_decay, 0)
        if self.dropout and self.text_encoder == "reference" and self.encoder != "vision":
            raise OptionError(
                "DROPOUT needs TEXT_ENCODER fast: whole sequences would draw other masks. Set "
                "DROPOUT 0 or TEXT_ENCODER fast."
            )


@register
class CLIPLoRA(PromptTrainer):
    """Low-rank adaptation of CLIP itself."""

    Config = CLIPLoRAConfig
    learner_name = "lora"
    has_optimizer = False
    has_frozen_images = False
    takes_initial_weights = False
    schedules_steps = True

    def check_cfg(self, cfg) -> None:
        """As the base's; images that change cannot be stored.

        Raises:
            ValueError: FEATURES.VIEWS is set, or OPTIM.MAX_EPOCH.
        """
        super().check_cfg(cfg)
        if cfg.OPTIM.MAX_EPOCH != 1:
            raise ValueError(
                "OPTIM.MAX_EPOCH must be 1 with CLIPLoRA, whose epochs follow from "
                f"TRAINER.CLIPLORA.ITERATIONS; got {cfg.OPTIM.MAX_EPOCH}."
            )
        if cfg.FEATURES.VIEWS:
            raise ValueError(
                "FEATURES.VIEWS must be 0 with CLIPLoRA, which changes the image encoder; got "
                f"{cfg.FEATURES.VIEWS}."
            )

    def needs_images(self) -> str:
        """It changes the image encoder."""
        return "CLIPLoRA changes the image encoder"

    def build_model(self) -> None:
        """Frozen CLIP and its updates; the number of epochs follows from that of the steps."""
        self.load_frozen_clip()
        options, names = self.options, self.dm.dataset.classnames
        template = dataset_template(self.dm.dataset, self.cfg.DATASET.TEMPLATE)
        sentences = [fill(template, name) for name in names]
        self.sentences = fixed_prompts(self.clip_model, sentences, classnames=names)
        try:
            learner = LowRank(
                self.clip_model, encoders=ENCODERS[options.encoder], parts=options.params,
                rank=options.r, alpha=options.alpha, dropout=options.dropout,
            )  # fmt: skip
        except ValueError as error:
            raise ValueError(
                f"CLIPLoRA cannot tune {self.cfg.MODEL.BACKBONE.NAME}: {error}. Set "
                "MODEL.BACKBONE.NAME to a ViT of OpenAI's, Woven or Pocket, or "
                "TRAINER.CLIPLORA.ENCODER to text."
            ) from error
        self.learner = self.model = learner.to(self.device)
        self._check_text()
        loader = getattr(self, "train_loader_x", None)
        shots = len(self.dm.dataset.train_x) / self.num_classes if loader else 1
        self.steps = round(options.iterations * shots)
        if loader:
            self.max_epoch = math.ceil(self.steps / len(loader))
            print(f"{self.steps} steps in {self.max_epoch} epochs of {len(loader)}")
        self.optim = torch.optim.AdamW(
            self.learner.parameters(), lr=options.lr, weight_decay=options.weight_decay
        )
        self.sched = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optim, self.steps, eta_min=LOWEST_LR
        )
        self.register_model(self.learner_name, self.learner, self.optim, self.sched)

    def _check_text(self) -> None:
        """Raises ValueError where updates of the text encoder would not reach every pass."""
        options = self.options
        if options.encoder == "vision":
            return
        if options.chunk < self.num_classes:
            raise ValueError(
                f"TRAINER.CLIPLORA.CHUNK must be at least the {self.num_classes} classes: "
                f"chunks are computed again after the updates have left; got {options.chunk}."
            )
        if options.dropout and (self.clip_model.not_shared or options.text_encoder != "fast"):
            raise ValueError(
                "TRAINER.CLIPLORA.DROPOUT needs the fast text encoder, and this backbone or "
                "TEXT_ENCODER has another. Set DROPOUT 0, or ENCODER vision."
            )

    def prompts(self) -> Prompts:
        """The data set's sentence with each class."""
        return self.sentences

    def text_features(self) -> Tensor:
        """Text features of all classes in unit norm [C, E]."""
        with self.learner.applied(self.clip_model, TEXT):
            return super().text_features()

    def image_features(self, images: Tensor) -> Tensor:
        """Image features in unit norm: [B, 3, H, W] to [B, E]."""
        with self.learner.applied(self.clip_model, IMAGES):
            return unit(encode_image(self.clip_model, images))

    def forward_backward(self, batch) -> dict[str, float]:
        """One step, until all are done."""
        if self.epoch * self.num_batches + self.batch_idx >= self.steps:
            return {}
        return super().forward_backward(batch)
