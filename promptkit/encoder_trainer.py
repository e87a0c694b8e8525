"""The base of methods that change CLIP itself, and of those that count their steps by shots."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.config import PromptConfig, require_range
from promptkit.encoders.image_encoder import encode_image
from promptkit.encoders.standing_in import IMAGES, TEXT
from promptkit.encoders.text_encoder import ENCODERS, Prompts, encode_in_chunks
from promptkit.frozen_features import unit
from promptkit.prompts.sentences import fixed_prompts
from promptkit.prompts.templates import dataset_template, fill
from promptkit.trainer import PromptTrainer

LOWEST_LR = 1e-6  # where a cosine ends


class EncoderTrainer(PromptTrainer):
    """Tunes what stands in for tensors of CLIP while it encodes; CLIP stays as it was loaded.

    Attributes:
        published_templates: the sentence of each benchmark in the published code, where it is not
            CoOp's.
        sentences: one with each class.
    """

    has_frozen_images = False
    takes_initial_weights = False
    published_templates: Mapping[str, str] = {}

    def applied(self, encoder: str) -> AbstractContextManager[None]:
        """One encoder, TEXT or IMAGES, has what is tuned; afterwards it is as it was."""
        raise NotImplementedError

    def check_cfg(self, cfg) -> None:
        """As the base's; images whose features change cannot be stored.

        Raises:
            ValueError: FEATURES.VIEWS is set.
        """
        super().check_cfg(cfg)
        if cfg.FEATURES.VIEWS:
            raise ValueError(
                f"FEATURES.VIEWS must be 0 with {type(self).__name__}, which changes the image "
                f"encoder; got {cfg.FEATURES.VIEWS}."
            )

    def needs_images(self) -> str:
        """It changes the image encoder."""
        return f"{type(self).__name__} changes the image encoder"

    def load_frozen_clip(self) -> None:
        """As the base's; also makes the sentences."""
        super().load_frozen_clip()
        dataset, override = self.dm.dataset, self.cfg.DATASET.TEMPLATE
        template = dataset_template(dataset, override, published=self.published_templates)
        sentences = [fill(template, name) for name in dataset.classnames]
        self.sentences = fixed_prompts(self.clip_model, sentences, classnames=dataset.classnames)

    def prompts(self) -> Prompts:
        """The sentences."""
        return self.sentences

    def text_features(self) -> Tensor:
        """Text features of all classes in unit norm [C, E]."""
        return self.features_of(self.prompts())

    def features_of(self, prompts: Prompts) -> Tensor:
        """Text features of some prompts in unit norm [C, E]."""
        encode = ENCODERS[self.options.text_encoder]

        def tuned(model: Backbone, prompts: Prompts) -> Tensor:  # chunks are computed again later
            with self.applied(TEXT):
                return encode(model, prompts)

        return unit(encode_in_chunks(tuned, self.clip_model, prompts, self.options.chunk))

    def encoded_images(self, images: Tensor) -> Tensor:
        """Tuned features [B, E] of images [B, 3, H, W], as long as the encoder makes them."""
        with self.applied(IMAGES):
            return encode_image(self.clip_model, images)


@dataclass(frozen=True, kw_only=True)
class StepsByShotsConfig(PromptConfig):
    """What trainers take whose number of steps is ITERATIONS x shots."""

    lr: float = 2e-4
    weight_decay: float = 1e-2
    iterations: int  # steps for each shot

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("iterations", self.iterations, 1)
        require_range("lr", self.lr, 0, open_low=True)
        require_range("weight_decay", self.weight_decay, 0)


class StepsByShots(EncoderTrainer):
    """Trains ITERATIONS x shots steps by AdamW, in stages that each have a cosine of their own.

    A stage begins with an epoch; what its last epoch has left over when its steps are done is not
    trained on. The cosines fall from LR to LOWEST_LR, step by step.

    Attributes:
        stages: steps of each.
        first_epochs: the epoch that each begins with.
    """

    has_optimizer = False
    schedules_steps = True

    def check_cfg(self, cfg) -> None:
        """As the base's; the number of epochs follows from that of the steps.

        Raises:
            ValueError: OPTIM.MAX_EPOCH is set.
        """
        super().check_cfg(cfg)
        name = type(self).__name__
        if cfg.OPTIM.MAX_EPOCH != 1:
            raise ValueError(
                f"OPTIM.MAX_EPOCH must be 1 with {name}, whose epochs follow from "
                f"TRAINER.{name.upper()}.ITERATIONS; got {cfg.OPTIM.MAX_EPOCH}."
            )

    def stages_of(self, steps: int) -> tuple[int, ...]:
        """Steps of each stage, of so many in all: one, where a method does not say otherwise."""
        return (steps,)

    def register_tuned(self, learner: nn.Module) -> None:
        """Takes a learner with its optimiser and schedule; sets the stages and their epochs."""
        options = self.options
        self.learner = self.model = learner.to(self.device)
        loader = getattr(self, "train_loader_x", None)
        self.stages: tuple[int, ...] = (1,)  # of classes alone: none
        if loader:
            shots = len(self.dm.dataset.train_x) / self.num_classes
            self.stages = self.stages_of(round(options.iterations * shots))
            lengths = [math.ceil(steps / len(loader)) for steps in self.stages]
            self.first_epochs = [sum(lengths[:stage]) for stage in range(len(lengths))]
            self.max_epoch = sum(lengths)
            print(
                f"{' and '.join(map(str, self.stages))} steps in "
                f"{' and '.join(map(str, lengths))} epochs of {len(loader)}"
            )
        self.optim = torch.optim.AdamW(
            self.learner.parameters(), lr=options.lr, weight_decay=options.weight_decay
        )
        self.sched = self.schedule()
        self.register_model(self.learner_name, self.learner, self.optim, self.sched)

    def schedule(self) -> torch.optim.lr_scheduler.LRScheduler:
        """Of the learning rate, by steps."""
        if len(self.stages) == 1:
            return torch.optim.lr_scheduler.CosineAnnealingLR(
                self.optim, *self.stages, eta_min=LOWEST_LR
            )
        return torch.optim.lr_scheduler.LambdaLR(self.optim, self._share_of_lr)

    def _share_of_lr(self, step: int) -> float:
        """Of LR, at a step of them all."""
        for steps in self.stages[:-1]:
            if step < steps:
                break
            step -= steps
        else:
            steps = self.stages[-1]
        lowest = LOWEST_LR / self.options.lr
        return lowest + (1 - lowest) * (1 + math.cos(math.pi * min(step, steps) / steps)) / 2

    def stage(self) -> int:
        """Which stage the epoch at hand is of, from 0."""
        return sum(first <= self.epoch for first in self.first_epochs) - 1

    def forward_backward(self, batch) -> dict[str, float]:
        """One step, until those of the stage are done."""
        stage = self.stage()
        done = (self.epoch - self.first_epochs[stage]) * self.num_batches + self.batch_idx
        return super().forward_backward(batch) if done < self.stages[stage] else {}
