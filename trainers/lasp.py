"""LASP: sentences about each class are classified by the learned prompts; norms are tuned.

    t_c = unit(g(c) + w)      h_kc = unit(CLIP("sentence k about c")) + n, n of N(0, NOISE) or 0
    L = CE(s <z, t_c>, y) + LASP_LOSS_WEIGHT mean_kc -log softmax_i(s <h_kc, t_i>)[c]

g(c) is the text feature of CoOp's context and class c. The context, w [E], which starts at 0, and
weights and biases of the layer norms in the image encoder's layers (at a tenth of the learning
rate) are trained. The second term, text-to-text, is of all classes of the data set: those that the
run has no images of are the paper's virtual classes. In base-to-new they are the new classes, whose
names are then no surprise at test; VIRTUAL_CLASSES False leaves them out.

Paper: LASP: Text-to-Text Optimization for Language-Aware Soft Prompting of Vision & Language
Models, arXiv:2210.01115. Published code: 1adrianb/lasp at 5b1e8d9, prompting/lasp.py, which has one
group of prompts; the paper's several are not in it, and its README says that schedules are others
than the paper's. As there, the sentences are classified among the prompts, noise is drawn for half
of the steps, and one of the 35 sentences stands in the list twice. It clips gradients in mode amp,
the one of its recipes; here in every mode. Difference: one encoding of all classes serves both
terms.
"""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.backbones.backbone import Backbone
from promptkit.config import ContextConfig, OptionError, require_range
from promptkit.encoders.image_encoder import encode_image
from promptkit.encoders.standing_in import IMAGES, TEXT, TunedTensors, layer_norms
from promptkit.encoders.text_encoder import ENCODERS, Prompts, encode_in_chunks
from promptkit.frozen_features import unit
from promptkit.prompts.initial_context import all_words
from promptkit.prompts.sentences import SentenceSlots
from promptkit.registry import register
from promptkit.runs.published_config import PublishedConfig
from promptkit.trainer import PromptTrainer

SENTENCES = (
    "a photo of a {}, a type of flower.",
    "a photo of a person doing {}.",
    "a centered satellite photo of {}.",
    "a photo of a {}, a type of aircraft.",
    "{} texture.",
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
    "a photo of a {}.",
    "a photo of many {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "a bad photo of the {}.",  # as published, once more
    "a cropped photo of the {}.",
    "a pixelated photo of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a close-up photo of the {}.",
    "a low resolution photo of a {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a blurry photo of a {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
)
NOISE_SHARE = 0.5  # of the steps that have it


@dataclass(frozen=True, kw_only=True)
class LASPConfig(ContextConfig):
    """Options under TRAINER.LASP."""

    n_ctx: int = 4
    ctx_init: str = "a photo of a"
    lasp_prompts: Sequence[str] = SENTENCES  # with {} in the place of the class
    lasp_loss_weight: float = 5.0  # of the text-to-text term
    virtual_classes: bool = True  # that term also has classes of the data set without images
    noise: float = 0.05  # deviation of the sentences' features, in half of the steps
    enable_correction: bool = True  # w
    finetune_vit_ln: bool = True  # the layer norms; without them image features can be stored
    ln_lr_mult: float = 0.1  # their learning rate, in OPTIM.LR
    clip_norm: float = 1.0  # of all gradients together; 0 leaves them

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = [sentence for sentence in self.lasp_prompts if sentence.count("{}") != 1]
        if wrong or not self.lasp_prompts:
            raise OptionError(
                "LASP_PROMPTS must be one or more sentences that hold '{}' just once; got "
                f"{wrong[0] if wrong else 'none'!r}."
            )
        for name in ("lasp_loss_weight", "noise", "ln_lr_mult", "clip_norm"):
            require_range(name, getattr(self, name), 0)


class CorrectedPrompts(nn.Module):
    """Context, correction w and layer norms.

    Args:
        model: the CLIP.
        classnames: C names.
        others: of virtual classes.
        num_context: M.
        init: words that the context starts from.
        correction: whether there is a w.
        norms: whether there are layer norms.
    """

    def __init__(
        self, model: Backbone, classnames: list[str], others: list[str], *, num_context: int,
        init: str, correction: bool, norms: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        start = all_words(model, num_context, init)
        print(f'Initial context: "{start.words}"')
        print(f"Number of context words (tokens): {len(start.vectors)}")
        print(f"Classes of the text-to-text term: {len(classnames)} and {len(others)} virtual")
        self.ctx = nn.Parameter(start.vectors)
        self.w = nn.Parameter(torch.zeros(1, model.embed_dim)) if correction else None
        self.norms = None
        if norms:
            names = layer_norms(model, outer=False)
            self.norms = TunedTensors(model, names | {TEXT: []})
        self.own, self.every = (
            SentenceSlots(
                model, names, template=f"{start.words} {{}}.", num_slots=len(start.vectors)
            )
            for names in (classnames, [*classnames, *others])
        )

    published_unused = ("prompt_learner.token_", "prompt_learner.class_text_features")

    @property
    def published_names(self) -> dict[str, str]:
        """The names of the parameters and the published ones."""
        found = {}
        for name, _ in self.named_parameters():
            path = (
                name.removeprefix("norms.").replace("-", ".").replace("visual.", "image_encoder.")
            )
            found[name] = path if name.startswith("norms.") else f"prompt_learner.{name}"
        return found

    def forward(self, *, virtual: bool = False) -> Prompts:
        """The prompts of the classes, or of these and the virtual ones behind them."""
        return (self.every if virtual else self.own)(self.ctx)


@register
class LASP(PromptTrainer):
    """Language-aware soft prompting."""

    Config = LASPConfig
    published_config = PublishedConfig(fixed={"TRAINER.LASP.ENABLE": True})

    def check_cfg(self, cfg) -> None:
        """As the base's.

        Raises:
            ValueError: FEATURES.VIEWS is set, and the image encoder is tuned.
        """
        super().check_cfg(cfg)
        self.has_frozen_images = not self.options.finetune_vit_ln
        if cfg.FEATURES.VIEWS and not self.has_frozen_images:
            raise ValueError(
                "FEATURES.VIEWS must be 0 with TRAINER.LASP.FINETUNE_VIT_LN, which tunes the image "
                f"encoder; got {cfg.FEATURES.VIEWS}."
            )

    def needs_images(self) -> str:
        """Where it tunes the image encoder."""
        return "" if self.has_frozen_images else "LASP tunes the image encoder's layer norms"

    def build_learner(self, classnames: list[str]) -> CorrectedPrompts:
        """Prompts, correction and norms; and features [K, C + virtual, E] of the sentences."""
        options = self.options
        given = getattr(self.dm.dataset, "other_classnames", ()) if options.virtual_classes else ()
        others = [name for name in given if name not in classnames]
        every = [*classnames, *others]
        self.sentence_views = torch.stack(
            [self.hand_crafted_features(every, (sentence,)) for sentence in options.lasp_prompts]
        ).float()
        try:
            return CorrectedPrompts(
                self.clip_model, classnames, others, num_context=options.n_ctx,
                init=options.ctx_init, correction=options.enable_correction,
                norms=options.finetune_vit_ln,
            )  # fmt: skip
        except ValueError as error:
            raise ValueError(
                f"LASP cannot tune {self.cfg.MODEL.BACKBONE.NAME}: {error}. Set "
                "TRAINER.LASP.FINETUNE_VIT_LN False, or MODEL.BACKBONE.NAME to a ViT, Woven or "
                "Pocket."
            ) from error

    def parameter_groups(self) -> list[dict]:
        """The layer norms with a learning rate of their own, and the rest."""
        groups = [{"params": [p for n, p in self.learner.named_parameters() if "norms" not in n]}]
        if self.learner.norms is not None:
            lr = self.cfg.OPTIM.LR * self.options.ln_lr_mult
            groups.insert(0, {"params": list(self.learner.norms.parameters()), "lr": lr})
        return groups

    def applied(self) -> AbstractContextManager[None]:
        """The image encoder has the tuned norms."""
        norms = self.learner.norms
        return contextlib.nullcontext() if norms is None else norms.applied(self.clip_model, IMAGES)

    def image_features(self, images: Tensor) -> Tensor:
        """Image features in unit norm: [B, 3, H, W] to [B, E]."""
        if self.has_frozen_images:
            return super().image_features(images)
        with self.applied():
            return unit(encode_image(self.clip_model, images))

    def text_features(self, *, virtual: bool = False) -> Tensor:
        """Text features in unit norm of the classes, and of the virtual ones behind them."""
        encode = ENCODERS[self.options.text_encoder]
        prompts = self.learner(virtual=virtual)
        encoded = encode_in_chunks(encode, self.clip_model, prompts, self.options.chunk)
        return unit(encoded if self.learner.w is None else encoded + self.learner.w)

    def drawn(self, labels: Tensor) -> tuple[Tensor]:
        """The features of the sentences, with noise or without."""
        views = self.sentence_views
        if self.options.noise and torch.rand(()) < NOISE_SHARE:
            views = views + self.options.noise * torch.randn_like(views)
        return (views,)

    def loss(
        self, images: Tensor, labels: Tensor, views: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropy of images, and of the sentences' features [K, C + virtual, E]."""
        views = self.sentence_views if views is None else views
        every = self.text_features(virtual=True)
        logits = self.logits(self.image_features(images), every[: self.num_classes])
        ce = F.cross_entropy(logits, labels)
        classes = torch.arange(len(every), device=every.device).repeat(len(views))
        text_to_text = F.cross_entropy(self.logits(views.flatten(0, 1), every), classes)
        total = ce + self.options.lasp_loss_weight * text_to_text
        parts = {"loss": total, "ce": ce, "text_to_text": text_to_text}
        return parts | {"acc": self.accuracy(logits, labels)}

    def update(self, parts: dict[str, Tensor]) -> None:
        """As the base's, with gradients clipped."""
        limit = self.options.clip_norm
        if not limit:
            super().update(parts)
            return
        self.detect_anomaly(parts["loss"])
        self.model_zero_grad()
        scaled = self.scaler.scale(parts["loss"]) if self.scaler else parts["loss"]
        self.model_backward(scaled)
        if self.scaler:
            self.scaler.unscale_(self.optim)
        torch.nn.utils.clip_grad_norm_(self.learner.parameters(), limit)
        if self.scaler:
            self.step_scaled()
        else:
            self.model_update()
