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

from contextlib import AbstractContextManager
from dataclasses import dataclass

from promptkit.config import OptionError, require, require_range
from promptkit.encoder_trainer import StepsByShots, StepsByShotsConfig
from promptkit.encoders.low_rank import PARTS, LowRank
from promptkit.encoders.standing_in import IMAGES, TEXT
from promptkit.registry import register

ENCODERS = {"both": (TEXT, IMAGES), "text": (TEXT,), "vision": (IMAGES,)}


@dataclass(frozen=True, kw_only=True)
class CLIPLoRAConfig(StepsByShotsConfig):
    """Options under TRAINER.CLIPLORA."""

    encoder: str = "both"  # both | text | vision
    params: str = "qkv"  # some of q, k and v
    r: int = 2
    alpha: float = 1.0
    dropout: float = 0.25  # of what goes into A, in training
    iterations: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        require("encoder", self.encoder, tuple(ENCODERS))
        if not self.params or set(self.params) - set(PARTS):
            raise OptionError(f"PARAMS must be some of the letters {PARTS}; got {self.params!r}.")
        require_range("r", self.r, 1)
        require_range("alpha", self.alpha, 0, open_low=True)
        require_range("dropout", self.dropout, 0, 0.99)
        if self.dropout and self.text_encoder == "reference" and self.encoder != "vision":
            raise OptionError(
                "DROPOUT needs TEXT_ENCODER fast: whole sequences would draw other masks. Set "
                "DROPOUT 0 or TEXT_ENCODER fast."
            )


@register
class CLIPLoRA(StepsByShots):
    """Low-rank adaptation of CLIP itself."""

    Config = CLIPLoRAConfig
    learner_name = "lora"

    def build_model(self) -> None:
        """Frozen CLIP and its updates; the number of epochs follows from that of the steps."""
        self.load_frozen_clip()
        options = self.options
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
        self._check_dropout()
        self.register_tuned(learner)

    def _check_dropout(self) -> None:
        """Raises ValueError where text would have other masks than the fast encoder's."""
        options = self.options
        is_fast = options.text_encoder == "fast" and not self.clip_model.not_shared
        if options.dropout and options.encoder != "vision" and not is_fast:
            raise ValueError(
                "TRAINER.CLIPLORA.DROPOUT needs the fast text encoder, and this backbone or "
                "TEXT_ENCODER has another. Set DROPOUT 0, or ENCODER vision."
            )

    @classmethod
    def why_not_shared(cls, cfg) -> str:
        """Masks are drawn for the tokens of all images and classes, one after the other."""
        dropout = cfg.TRAINER.CLIPLORA.DROPOUT
        return f"TRAINER.CLIPLORA.DROPOUT is {dropout}, and not 0" if dropout else ""

    def applied(self, encoder: str) -> AbstractContextManager[None]:
        """The updates."""
        return self.learner.applied(self.clip_model, encoder)
