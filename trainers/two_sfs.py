"""2SFS: first the layer norms of both encoders, then a linear classifier on frozen features.

    stage 1   CE(100 <z, t_c>, y)            by the weights and biases of the layer norms
    stage 2   CE(100 <z, unit(w_c)>, y)      by w [C, E], which starts at the tuned t_c

AdamW; ITERATIONS x shots steps in all, the share FIRST of them in stage 1, each stage with a cosine
of its own to 1e-6. The sentences of all classes are encoded in every step of stage 1. One recipe
for every data set, nothing chosen.

Classes are predicted one by one ("selective inference"): a class that was trained has its row w_c,
any other the feature of its sentence from the tuned text encoder. So the rule is the same for base
and new classes, also when both are candidates at once: it takes no oracle of the task.

Paper: Rethinking Few-Shot Adaptation of Vision-Language Models in Two Stages, arXiv:2503.11609.
Published code: FarinaMatteo/rethinking_fewshot_vlms at 64ac143, fs/twostage.py. As there, the norms
before and behind the layers (OpenAI's ln_pre, ln_post, ln_final) stay frozen: it hands them to the
optimiser and then turns their gradients off, so that 61,440 numbers of ViT-B/16 are tuned, not
65,536; OUTER_NORMS tunes them, too. Differences: the last, smaller batch of an epoch is left out,
as everywhere in this engine; a step that the scaler of PREC amp leaves out counts; precision is
PREC's.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.backbones.backbone import Backbone
from promptkit.config import OptionError
from promptkit.encoder_trainer import StepsByShots, StepsByShotsConfig
from promptkit.encoders.standing_in import TunedTensors, layer_norms
from promptkit.frozen_features import unit
from promptkit.prompts.templates import CUSTOM_TEMPLATES, DEFAULT_TEMPLATE
from promptkit.registry import register


@dataclass(frozen=True, kw_only=True)
class TwoSFSConfig(StepsByShotsConfig):
    """Options under TRAINER.TWOSFS."""

    iterations: int = 300  # M of the paper
    first: float = 0.6  # the share of the steps in stage 1, alpha of the paper
    outer_norms: bool = False  # tune ln_pre, ln_post and ln_final, too

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.first < 1:
            raise OptionError(f"FIRST must be above 0 and below 1; got {self.first}.")


class TwoStages(nn.Module):
    """The layer norms and the classifier [C, E]; `has_rows` says whether stage 2 has begun."""

    def __init__(self, model: Backbone, num_classes: int, *, outer_norms: bool) -> None:
        super().__init__()
        self.norms = TunedTensors(model, layer_norms(model, outer=outer_norms))
        self.classifier = nn.Parameter(torch.zeros(num_classes, model.embed_dim))
        self.register_buffer("has_rows", torch.tensor(False))


@register
class TwoSFS(StepsByShots):
    """Two-stage few-shot adaptation."""

    Config = TwoSFSConfig
    learner_name = "two_stages"
    published_templates = dict.fromkeys(CUSTOM_TEMPLATES, DEFAULT_TEMPLATE)  # one for all
    sized_by_data = ("classifier",)

    def build_model(self) -> None:
        """Frozen CLIP, copies of its layer norms, and the classifier."""
        self.load_frozen_clip()
        self.trained_classes = tuple(self.dm.dataset.classnames)
        outer = self.options.outer_norms
        try:
            learner = TwoStages(self.clip_model, self.num_classes, outer_norms=outer)
        except ValueError as error:
            raise ValueError(
                f"TwoSFS cannot tune {self.cfg.MODEL.BACKBONE.NAME}: {error}. Set "
                "MODEL.BACKBONE.NAME to a ViT, Woven or Pocket."
            ) from error
        self.register_tuned(learner)

    def stages_of(self, steps: int) -> tuple[int, int]:
        """The share FIRST, rounded down, and the rest.

        Raises:
            ValueError: one of them is 0.
        """
        first = int(steps * self.options.first)
        if not 0 < first < steps:
            raise ValueError(
                f"TRAINER.TWOSFS.ITERATIONS must leave steps for both stages; {steps} steps in all "
                f"with TRAINER.TWOSFS.FIRST {self.options.first} leave {first} and {steps - first}."
            )
        return first, steps - first

    def applied(self, encoder: str) -> AbstractContextManager[None]:
        """The tuned layer norms."""
        return self.learner.norms.applied(self.clip_model, encoder)

    def before_epoch(self) -> None:
        """As the base's; with the second stage's first, the classifier takes its start."""
        super().before_epoch()
        if self.epoch == self.first_epochs[1]:
            print("Stage 2: the classifier starts at the tuned text features")
            with torch.no_grad(), self.precision.autocast():
                self.learner.classifier.copy_(self.text_features())
            self.learner.has_rows.fill_(True)
            self.scaler = self.precision.scaler()

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Cross-entropy, of the sentences or of the classifier on frozen features."""
        if not self.learner.has_rows:
            return super().loss(images, labels)
        with torch.no_grad():
            features = self.image_features(images)
        logits = self.logits(features, unit(self.learner.classifier))
        return {"loss": F.cross_entropy(logits, labels), "acc": self.accuracy(logits, labels)}

    def class_features(self) -> Tensor:
        """A row of the classifier for each class that was trained, of the others their sentence."""
        if not self.learner.has_rows:
            return self.text_features()
        row_of = {name: row for row, name in enumerate(self.trained_classes)}
        rows = [row_of.get(name, -1) for name in self.dm.dataset.classnames]
        rows = torch.tensor(rows, device=self.device)
        own = unit(self.learner.classifier)[rows]
        if (rows >= 0).all():
            return own
        return torch.where((rows >= 0)[:, None], own, self.text_features().to(own.dtype))

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """As the base's; rows belong to the classes of the training.

        Raises:
            ValueError: the file does not say which classes these are, and they are not as many.
        """
        super().load_model(directory, epoch)
        classes = self.trained_on.classnames or self.trained_classes
        if directory and not self.trained_on.classnames:
            if self.cfg.DATASET.SUBSAMPLE_CLASSES == "new":
                raise ValueError(
                    f"{directory} does not say the classes of its training, whose rows it has; "
                    "DATASET.SUBSAMPLE_CLASSES new are others. Load it with those of the training."
                )
            print("The checkpoint does not say its classes: its rows are taken for these classes'")
        if len(classes) != len(self.learner.classifier):
            raise ValueError(
                f"{directory} has rows of {len(self.learner.classifier)} classes and does not say "
                f"which; here are {len(classes)}. Load it with the classes of its training."
            )
        self.trained_classes = tuple(classes)

    def take_from(self, other: "TwoSFS") -> None:
        """Copies what another has learned, with the names of its classes."""
        self.trained_classes = other.trained_classes
        self.learner.classifier.data = torch.empty_like(other.learner.classifier.data)
        super().take_from(other)
