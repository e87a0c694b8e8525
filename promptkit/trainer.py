"""The base trainer: the step, precision, freezing, optimiser, checkpoints, cached class features.

A method says how its prompts are made (`build_learner`, `prompts`) and what is minimised (`loss`).
Only names of upstream Dassl's interface are used, so trainers run there too.
"""

import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dassl.engine import TrainerX
from dassl.metrics import compute_accuracy
from dassl.optim import build_lr_scheduler, build_optimizer
from promptkit.backbones.opening import open_backbone
from promptkit.backbones.tokens import warning_of_same_words
from promptkit.checkpoints import loading as checkpoint
from promptkit.checkpoints.initial_weights import load_initial_weights
from promptkit.checkpoints.published_keys import use_published_keys
from promptkit.class_lists import OF_CLIP, ClassLists
from promptkit.compiling import CompiledSteps
from promptkit.encoders.image_encoder import encode_image
from promptkit.encoders.precision import resolve
from promptkit.encoders.text_encoder import ENCODERS, Prompts, encode_in_chunks
from promptkit.frozen_features import FrozenFeatures, unit
from promptkit.shared_steps import SharedSteps
from promptkit.stores.feature_bank import bank_loader
from promptkit.stores.training_views import EpochLoader
from promptkit.trainer_options import OptionsOfTrainer


class PromptTrainer(
    OptionsOfTrainer, ClassLists, FrozenFeatures, CompiledSteps, SharedSteps, TrainerX
):
    """Tunes prompts on a frozen CLIP.

    Attributes:
        learner: the module that holds what is trained.
        learner_name: the name it is registered under, the published code's; a folder of the run.
        clip_model: the frozen CLIP, a `Backbone`.
    """

    learner_name = "prompt_learner"
    schedules_steps = False  # the learning rate changes at every step, not at every epoch's end
    trained_on = checkpoint.Trained()  # data set and classes of what was loaded
    sized_by_data: tuple[str, ...] = ()  # tensors of the learner whose shape a checkpoint decides
    has_optimizer = True  # whether OPTIM has one, besides its MAX_EPOCH
    images_of_each = 1  # augmented versions of a training image, DATALOADER.K_TRANSFORMS
    uses_task_oracle = False  # base classes have another predictor than new ones

    # What a method defines ------------------------------------------------------------------------

    def build_learner(self, classnames: list[str]) -> nn.Module:
        """The module that holds what is trained; called with a seeded global generator."""
        raise NotImplementedError

    def prompts(self) -> Prompts:
        """The prompts of all classes; by default what calling the learner gives."""
        return self.learner()

    def drawn(self, labels: Tensor) -> tuple[object, ...]:
        """Further arguments of `loss`: what is random in a step, drawn for labels [B]."""
        return ()

    def loss(self, images: Tensor, labels: Tensor, *drawn: object) -> dict[str, Tensor]:
        """Images [B, 3, H, W] and labels [B] to named scalars: "loss" is minimised, all are logged.

        What is `drawn` comes behind them.
        """
        features = self.image_features(images), self.text_features()
        return self.loss_of(*features, images, labels, *drawn)

    def loss_of(
        self, image_features: Tensor, text_features: Tensor, images: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """As `loss`, by features [B, E] and [C, E]; methods over this one have them already.

        By default the cross-entropy of CLIP's classifier.
        """
        logits = self.logits(image_features, text_features)
        return {"loss": F.cross_entropy(logits, labels), "acc": self.accuracy(logits, labels)}

    # Building -------------------------------------------------------------------------------------

    def build_model(self) -> None:
        """Loads CLIP, freezes it, builds and registers the learner."""
        self.load_frozen_clip()
        print("Building custom CLIP")
        print("Turning off gradients in both the image and the text encoder")
        learner = self.build_learner(self.dm.dataset.classnames)
        use_published_keys(learner)
        if self.cfg.MODEL.INIT_WEIGHTS:
            load_initial_weights(learner, self.cfg.MODEL.INIT_WEIGHTS, self.clip_model)
        self.learner = self.model = learner.to(self.device)
        groups = self.parameter_groups()
        self.optim = build_optimizer(self.learner, self.cfg.OPTIM, param_groups=groups)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model(self.learner_name, self.learner, self.optim, self.sched)

    def parameter_groups(self) -> list[dict] | None:
        """The optimiser's groups; None is one of all that the learner has."""
        return None

    def load_frozen_clip(self) -> None:
        """Sets `clip_model`, `precision`, `weights_sha256` and what follows from them."""
        if self.lender:
            for name in OF_CLIP:
                setattr(self, name, getattr(self.lender, name))
            self._classifier = None
            return
        backbone = self.cfg.MODEL.BACKBONE.NAME
        print(f"Loading CLIP (backbone: {backbone})")
        key = f"{self.node}.PREC"
        self.precision = resolve(self.options.prec, self.device.type, key=key)
        clip_model = open_backbone(backbone, self.cfg.MODEL.BACKBONE.ACTIVATION)
        clip_model.check_input_size(self.cfg.INPUT.SIZE)
        self.weights_sha256 = clip_model.weights_hash()
        if not self.classes_alone:
            warning = warning_of_same_words(self.dm.dataset.classnames, clip_model.tokenizer)
            print(warning, end="\n" if warning else "")
        if clip_model.not_shared:
            print(
                f"Every class is encoded whole, {clip_model.context_length} tokens, which is slow: "
                f"the text encoder cannot share what prompts begin with, {clip_model.not_shared}"
            )
        self.clip_model = self.precision.cast(clip_model).to(self.device)
        self.clip_model.visual.to(memory_format=torch.channels_last)  # convolutions run faster
        self.logit_scale = clip_model.logit_scale.detach().float().exp()
        bias = clip_model.logit_bias  # of models that were trained with a sigmoid
        self.logit_bias = None if bias is None else bias.detach().float()
        self.scaler = self.precision.scaler()
        self._classifier: tuple[tuple, Tensor] | None = None
        self.step_sec: list[float] = []  # of each optimisation step so far
        if self.has_frozen_images and self.cfg.FEATURES.STORE:
            self.val_loader = self._stored(self.val_loader)
            self.test_loader = self._stored(self.test_loader)

    # One step -------------------------------------------------------------------------------------

    def image_features(self, images: Tensor) -> Tensor:
        """Frozen image features in unit norm: [B, 3, H, W] to [B, E].

        Loaders of stored features (`promptkit.stores`) give [B, E], which is returned as it is. A
        method may have several an image, [B, F, E], the first of which text features are for.

        Raises:
            ValueError: two dimensions, and the second is not E.
        """
        if images.dim() == 2:
            if images.shape[1] != self.clip_model.embed_dim:
                raise ValueError(
                    f"Image features of this backbone are [B, {self.clip_model.embed_dim}]; got "
                    f"{list(images.shape)}."
                )
            return images
        return unit(self.encoded_images(images))

    def encoded_images(self, images: Tensor) -> Tensor:
        """Of images, as long as the encoder makes them."""
        with torch.no_grad():
            return encode_image(self.clip_model, images)

    def text_features(self) -> Tensor:
        """Text features of all classes in unit norm [C, E]; gradients flow to the learner."""
        return unit(self.encoded_text())

    def encoded_text(self) -> Tensor:
        """The same, as long as the encoder makes them."""
        encode = ENCODERS[self.options.text_encoder]
        return encode_in_chunks(encode, self.clip_model, self.prompts(), self.options.chunk)

    def logits(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        """CLIP's classifier: cosine over temperature, [B, C]; and a bias, where it has one.

        Text features are [C, E], or [B, C, E] where each image has its own. In fp32 always, but
        for mode fp16, which mirrors the published code: half precision is too coarse for values
        around 25, it makes ties.
        """
        if self.precision.mode != "fp16":
            image_features, text_features = image_features.float(), text_features.float()
        with torch.autocast(self.device.type, enabled=False):
            scaled = self.logit_scale * image_features
            if text_features.dim() == 3:
                logits = (text_features @ scaled[..., None]).squeeze(-1).float()
            else:
                logits = (scaled @ text_features.t()).float()
            return logits if self.logit_bias is None else logits + self.logit_bias

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits [B, C] of `model_inference` to probabilities [B, C].

        Of a CLIP that was trained with a sigmoid each class has its own, which do not sum to 1.
        """
        return logits.softmax(dim=1) if self.logit_bias is None else logits.sigmoid()

    def forward_backward(self, batch) -> dict[str, float]:
        """One optimisation step; returns the figures of the log line."""
        start = time.perf_counter()
        images, labels = self.parse_batch_train(batch)
        with self.precision.autocast():
            parts = self.loss_of_step(images, labels)
        try:
            self.update(parts)
        except FloatingPointError as error:
            raise FloatingPointError(f"{error} {self._first_fault(parts)}") from error
        if self.schedules_steps or (self.batch_idx + 1) == self.num_batches:
            self.update_lr()
        figures = {name: value.item() for name, value in parts.items()}
        for name, figure in figures.items():
            self._epoch_figures.setdefault(name, []).append(figure)
        self.step_sec.append(time.perf_counter() - start)  # `item` has waited for the device
        return figures

    def _first_fault(self, parts: dict[str, Tensor]) -> str:
        """Which part of a loss that is not finite is not, and what may help."""
        names = [name for name, value in parts.items() if not value.isfinite().all()]
        own = [name for name in names if name != "loss"]  # the others are its parts
        key = f"{self.node}.PREC"
        advice = f" Or set {key} to amp or fp32." if self.precision.mode == "fp16" else ""
        return f"The first part that is not finite: {(own or names)[0]}.{advice}"

    def update(self, parts: dict[str, Tensor]) -> None:
        """Goes backward through `parts["loss"]` and steps the optimisers."""
        if self.scaler is None:
            self.model_backward_and_update(parts["loss"])
            return
        self.detect_anomaly(parts["loss"])
        self.model_zero_grad()
        self.model_backward(self.scaler.scale(parts["loss"]))
        self.step_scaled()

    def step_scaled(self) -> None:
        """Steps the optimisers on scaled gradients (mode amp)."""
        for optimizer in self._optims.values():
            if optimizer is not None and _has_gradient(optimizer):  # the scaler refuses others
                self.scaler.step(optimizer)
        self.scaler.update()

    def parse_batch_train(self, batch) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W] and labels [B] on the device."""
        images, labels = batch["img"], batch["label"]  # pinned: copied while the CPU goes on
        return images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    @staticmethod
    def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
        """Share of right answers, in percent."""
        return compute_accuracy(logits, labels)[0]

    # Epochs and evaluation ------------------------------------------------------------------------

    def before_train(self) -> None:
        """As Dassl's; with FEATURES.VIEWS the images are encoded here, once.

        Raises:
            ValueError: the data set has images to test on, and none to train on.
        """
        reason = getattr(self.dm.dataset, "test_only", "")
        if reason:
            raise ValueError(f"{self.cfg.DATASET.NAME} cannot be trained on: {reason}.")
        super().before_train()
        self.compile_steps()
        self.images_loader = self.train_loader_x
        self.views = self.training_views()
        count = self.cfg.FEATURES.VIEWS
        if count:
            print(f"Encoding {count} view(s) of {len(self.dm.dataset.train_x)} training images")
            self.train_loader_x = bank_loader(
                self.train_loader_x, self.frozen_view, self.train_labels(), views=count
            )
        elif self.views and self.has_frozen_images:
            self.train_loader_x = EpochLoader(self.views)

    def _encode(self, images: Tensor) -> Tensor:
        with self.precision.autocast():
            return self.image_features(images.to(self.device, non_blocking=True))

    def before_epoch(self) -> None:
        """Starts the epoch's means."""
        self._epoch_figures: dict[str, list[float]] = {}

    def after_epoch(self) -> None:
        """Prints and writes the epoch's mean of every logged figure."""
        means = {name: sum(values) / len(values) for name, values in self._epoch_figures.items()}
        line = " ".join(f"{name} {mean:.4f}" for name, mean in means.items())
        print(f"epoch [{self.epoch + 1}/{self.max_epoch}] mean {line}")
        for name, mean in means.items():
            self.write_scalar(f"epoch/{name}", mean, self.epoch + 1)
        super().after_epoch()

    def class_features(self) -> Tensor:
        """The classifier [C, E] that evaluation uses, in unit norm."""
        return self.text_features()

    def kept_class_features(self) -> Tensor:
        """As `class_features`; computed again only when a learned tensor has changed."""
        # torch counts what is written into a tensor: steps, loading, averaging.
        learned = [p for model in self._models.values() for p in model.parameters()]
        state = tuple((id(parameter), parameter._version) for parameter in learned)
        if self._classifier is None or self._classifier[0] != state:
            self._classifier = state, self.class_features()
        return self._classifier[1]

    def model_inference(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] to logits [B, C]; classes are encoded once per evaluation."""
        with torch.no_grad(), self.precision.autocast():
            return self.logits(self.image_features(images), self.kept_class_features())

    def joint_inference(self, images: Tensor) -> Tensor:
        """As `model_inference`, by one rule for classes of the training and for others.

        A method that `uses_task_oracle` has its own, which does not go through `model_inference`.
        """
        return self.model_inference(images)

    def is_bound_to_classes(self) -> bool:
        """Whether what is trained belongs to the classes of training and fits no others."""
        return getattr(getattr(self, "learner", None), "class_specific", False)

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Loads what was trained from a run folder, see `promptkit.checkpoints`."""
        if not directory:
            print("Note that load_model() is skipped as no pretrained model is given")
            return
        if self.learner_name in self._models:  # zero-shot has nothing to load
            self.trained_on = checkpoint.load_learner(
                self.learner,
                self.learner_name,
                directory,
                epoch,
                trainer=type(self).__name__,
                clip_model=self.clip_model,
                weights_sha256=self.weights_sha256,
                bound_to=self.dm.dataset.classnames if self.is_bound_to_classes() else None,
                sized_by_data=self.sized_by_data,
            )


def _has_gradient(optimizer: torch.optim.Optimizer) -> bool:
    return any(p.grad is not None for group in optimizer.param_groups for p in group["params"])
