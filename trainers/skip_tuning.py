"""Skip Tuning: the upper layers of both encoders, on what the frozen lower ones have kept.

    L = CE(100 <z, t_c>, y),  c over the classes of the step

Everything from layer START_LAYER on is tuned in both encoders (layer skipping): OpenAI's blocks,
ln_post and proj, ln_final and text_projection. What the layers below make of the sentences is kept
once, of an epoch's images once an epoch. A step has some classes only (class skipping): they are
ranked by the largest cosine that an image of the batch has with their frozen text features, labels
first. The first n = min(ceil(TOP_RATIO C), MAX_TOP) stay; the others stay by a mask over ranks that
is drawn once for the run, where the k-th of them, x_k from 0 to 5 in equal steps, has the
probability exp(-x_k / LAMBDA), scaled to 1 ... 0.

Paper: Skip Tuning: Pre-trained Vision-Language Models are Effective and Efficient Adapters
Themselves, arXiv:2412.11509. Published code: Koorye/SkipTuning at 8c4636e,
trainers/skip_tuning.py. As there, all images of a batch are of one class, where a class has as many
(DATALOADER.TRAIN_X.SAMPLER RandomClassSampler), and in fp16 what is tuned is half precision itself,
so that steps smaller than its rounding are lost. Differences: the mask is drawn by SEED, so that a
run that goes on has the same; a label that the mask would leave out stays; TOP_RATIO is a share,
and dropping tokens, which is off there, is no option.
"""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.backbones.backbone import Backbone
from promptkit.config import OptionError, PromptConfig, require_range
from promptkit.encoder_trainer import EncoderTrainer
from promptkit.encoders.image_encoder import (
    VisionTokens,
    project_states,
    states_above,
    tokens_below,
)
from promptkit.encoders.standing_in import IMAGES, TEXT, TunedTensors, key_of, upper_tensors
from promptkit.encoders.text_encoder import below
from promptkit.frozen_features import unit
from promptkit.prompts.templates import dataset_template
from promptkit.registry import register
from promptkit.runs.published_config import PublishedConfig
from promptkit.stores.token_views import token_views
from promptkit.stores.training_views import EpochLoader, TrainingViews

ONE_CLASS = "RandomClassSampler"
PUBLISHED_KEYS = ("START_LAYER", "TOP_RATIO", "MAX_TOP", "LAMBDA")
# Of the published code, trainers/baselines/ft_clip.py.
TEMPLATES = {
    "ImageNetSketch": "a sketch of a {}.",
    "ImageNetA": "a bad photo of a {}.",
    "ImageNetR": "a rendition of a {}.",
    "Caltech101": "itap of a {}.",
    "DescribableTextures": "itap of a {}.",
    "FGVCAircraft": "a bright photo of a {}, a type of aircraft.",
    "Food101": "a photo of the nice {}.",
    "OxfordFlowers": "a close-up photo of a {}.",
    "OxfordPets": "a bad photo of a {}, a type of pet.",
    "StanfordCars": "a photo of the {}, a type of car.",
    "UCF101": "a photo of a {}, a type of sport.",
}


@dataclass(frozen=True, kw_only=True)
class SkipTuningConfig(PromptConfig):
    """Options under TRAINER.SKIPTUNING."""

    start_layer: int = 6  # the first that is tuned, from 0
    top_ratio: float = 0.5  # of the classes that stay for sure; 1 skips none
    max_top: int = 50  # they are this many at most
    lambda_: float = 0.3  # how slowly the others' probability falls

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("start_layer", self.start_layer, 0)
        require_range("max_top", self.max_top, 1)
        require_range("lambda_", self.lambda_, 0, open_low=True)
        if not 0 < self.top_ratio <= 1:
            raise OptionError(f"TOP_RATIO must be above 0 and at most 1; got {self.top_ratio}.")


class UpperLayers(nn.Module):
    """Copies of the upper layers of both encoders, each a part of its own (OPTIM.NEW_LAYERS)."""

    def __init__(self, model: Backbone, layer: int) -> None:
        super().__init__()
        names = upper_tensors(model, layer)
        self.text_encoder = TunedTensors(model, {TEXT: names[TEXT]})
        self.image_encoder = TunedTensors(model, {IMAGES: names[IMAGES]})

    @property
    def published_names(self) -> dict[str, str]:
        """The names of the parameters and the published ones."""
        names = {
            f"text_encoder.{key_of(x)}": f"text_encoder.{x}" for x in self.text_encoder.names[TEXT]
        }
        return names | {
            f"image_encoder.{key_of(x)}": f"image_encoder.{x.removeprefix('visual.')}"
            for x in self.image_encoder.names[IMAGES]
        }


@register
class SkipTuning(EncoderTrainer):
    """Fine-tuning with layer-wise and class-wise skipping."""

    Config = SkipTuningConfig
    learner_name = "learnable_params"
    published_templates = TEMPLATES
    published_config = PublishedConfig(
        {f"TRAINER.SKIP.{key}": key for key in PUBLISHED_KEYS} | {"TRAINER.PREC": "PREC"},
        fixed={"TRAINER.SKIP.DROP_RATIO": 0.0, "TRAINER.SKIP.QUICK_BATCH_SIZE": 128},
    )
    chooses_classes = True

    def build_data_loader(self) -> None:
        """As the base's; batches of one class need classes of so many images."""
        cfg, loader = self.cfg, self.cfg.DATALOADER.TRAIN_X
        shots = cfg.DATASET.NUM_SHOTS
        if loader.SAMPLER != ONE_CLASS or not 0 < shots < loader.N_INS:
            super().build_data_loader()
            return
        print(
            f"With {shots} shots there are no batches of {loader.N_INS} images of a class: they "
            "are drawn from all images, as in the published code"
        )
        self.cfg = cfg.clone()
        self.cfg.defrost()
        self.cfg.DATALOADER.TRAIN_X.SAMPLER = "RandomSampler"
        try:
            super().build_data_loader()
        finally:
            self.cfg = cfg

    def build_learner(self, classnames: list[str]) -> UpperLayers:
        """The copies; the sentences' tokens and frozen features, and the mask over ranks."""
        options = self.options
        try:
            learner = UpperLayers(self.clip_model, options.start_layer)
        except ValueError as error:
            raise ValueError(
                f"SkipTuning cannot tune {self.cfg.MODEL.BACKBONE.NAME} from "
                f"TRAINER.SKIPTUNING.START_LAYER {options.start_layer} on: {error}. Set "
                "MODEL.BACKBONE.NAME to a ViT of OpenAI's, Woven or Pocket, and a layer of it."
            ) from error
        override = self.cfg.DATASET.TEMPLATE
        template = dataset_template(self.dm.dataset, override, published=TEMPLATES)
        self.frozen_text = self.hand_crafted_features(classnames, (template,)).float()
        with self.precision.autocast():
            self.sentences = below(self.clip_model, self.sentences, options.start_layer)
        self.stays = ranks_that_stay(
            len(classnames), top_ratio=options.top_ratio, max_top=options.max_top,
            falling=options.lambda_, seed=max(self.cfg.SEED, 0),
        ).to(self.device)  # fmt: skip
        return learner

    def applied(self, encoder: str) -> AbstractContextManager[None]:
        """The tuned layers."""
        own = {TEXT: self.learner.text_encoder, IMAGES: self.learner.image_encoder}[encoder]
        return own.applied(self.clip_model, encoder)

    def image_features(self, images: Tensor) -> Tensor:
        """Unit features [B, E] of images [B, 3, H, W], or of tokens [B, L, D] that were kept."""
        model, first = self.clip_model, self.options.start_layer
        tokens = images if images.dim() == 3 else tokens_below(model, images, first)
        with self.applied(IMAGES):
            states = states_above(model, tokens, first, VisionTokens())
            return unit(project_states(model, states[:, 0]))

    @torch.no_grad()
    def classes_of_step(self, image_features: Tensor, labels: Tensor) -> Tensor:
        """Which classes a step has [C], by unit image features [B, E] and labels [B]."""
        nearest = (image_features.float() @ self.frozen_text.t()).amax(dim=0)  # [C]
        nearest[labels] = torch.inf
        chosen = torch.zeros_like(self.stays)
        chosen[nearest.argsort(descending=True)[self.stays]] = True
        chosen[labels] = True
        return chosen

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy over the classes of the step."""
        image_features, prompts = self.image_features(images), self.prompts()
        if not self.stays.all():
            chosen = self.classes_of_step(image_features, labels)
            prompts = prompts.of_classes(chosen.nonzero()[:, 0])
            labels = chosen.cumsum(dim=0)[labels] - 1
        logits = self.logits(image_features, self.features_of(prompts))
        return {"loss": F.cross_entropy(logits, labels), "acc": self.accuracy(logits, labels)}

    def before_train(self) -> None:
        """As the base's; epochs come as tokens."""
        super().before_train()
        if self.views:
            self.train_loader_x = EpochLoader(self.views)

    def training_views(self) -> TrainingViews | None:
        """Tokens [N, L, D] of the training images by epoch, see `promptkit.stores.token_views`."""
        visual, first = self.clip_model.visual, self.options.start_layer
        return token_views(
            self.cfg.FEATURES.TRAIN_STORE, self.train_loader_x, self.tokens,
            shape=tuple(visual.positional_embedding.shape),
            bytes_each=2 if self.precision.mode == "fp16" else 4,
            epochs=self.max_epoch, depends_on=self._decided_by() | {"layer": first},
        )  # fmt: skip

    @torch.no_grad()
    def tokens(self, images: Tensor) -> Tensor:
        """What the frozen layers make of images [B, 3, H, W]: tokens [B, L, D]."""
        with self.precision.autocast():
            return tokens_below(
                self.clip_model, images.to(self.device, non_blocking=True), self.options.start_layer
            )


def ranks_that_stay(
    count: int, *, top_ratio: float, max_top: int, falling: float, seed: int
) -> Tensor:
    """A mask [C] over ranks, True for the classes that a step has.

    Args:
        count: C.
        top_ratio, max_top: the first min(ceil(top_ratio C), max_top) stay; with a ratio of 1 all.
        falling: LAMBDA.
        seed: of the draw.
    """
    top = min(math.ceil(top_ratio * count), max_top)
    if top_ratio == 1 or top == count:
        return torch.ones(count, dtype=torch.bool)
    density = (-torch.linspace(0, 5, count - top, dtype=torch.float64) / falling).exp()
    span = density.max() - density.min()
    share = (density - density.min()) / span if span > 0 else torch.zeros_like(density)
    drawn = torch.rand(count, generator=torch.Generator().manual_seed(seed))
    return torch.cat([torch.ones(top, dtype=torch.bool), drawn[top:] < share])
