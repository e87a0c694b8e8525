"""Frozen features that a trainer reads from the stores, or computes and leaves there."""

from collections.abc import Callable

import torch
from torch import Tensor

from promptkit.descriptions import (
    DESCRIPTIONS,
    Sentences,
    descriptions_file,
    read_descriptions,
)
from promptkit.encoders.image_encoder import image_states, project_states, states_width
from promptkit.encoders.precision import device_name
from promptkit.prompts.sentences import sentence_features, template_features
from promptkit.runs.environment import version
from promptkit.stores.feature_bank import encoded_view
from promptkit.stores.feature_store import FeatureStore, default_folder
from promptkit.stores.stored_loader import StoredLoader
from promptkit.stores.training_views import TrainingViews, decide, draws_nothing, why_not_of_epochs


def unit(features: Tensor) -> Tensor:
    """Features [..., E] divided by their norm."""
    return features / features.norm(dim=-1, keepdim=True)


class FrozenFeatures:
    """The part of a trainer that knows what is frozen; it has `clip_model`, `cfg`, `precision`.

    Attributes:
        has_frozen_images: image features do not change with what is trained.
        reads_frozen_views: training reads features of unprompted images besides images.
        keeps_length: stored image features are as long as the encoder's, not in unit norm.
        views: the training images' by epoch; None where every batch is encoded.
        images_loader: the training loader of images.
    """

    has_frozen_images = True
    changes_images = "prompts the image encoder"  # where image features are not frozen
    reads_frozen_views = False
    keeps_length = False
    views: TrainingViews | None = None
    _descriptions: Sentences | None = None

    def _decided_by(self) -> dict[str, str | int]:
        """What frozen features depend on besides the images and how they are read."""
        return {
            "weights": self.weights_sha256,
            # Other code of the same tensors may have another last projection, or none.
            "code": type(self.clip_model).__name__,
            "width": states_width(self.clip_model),
            "precision": self.precision.mode,
            "device": device_name(self.device),
            "torch": torch.__version__,
            **{name: version(name) for name in ("torchvision", "pillow")},
        }

    def _stored(self, loader):
        """A loader of frozen features, which come from the store or go into it; None stays None."""
        store = FeatureStore(default_folder())
        length = {"length": "the encoder's"} if self.keeps_length else {}
        return loader and StoredLoader(loader, self._encode, store, self._decided_by() | length)

    def hand_crafted_features(
        self, classnames: list[str], templates: tuple[str, ...], *, normalize: str = "each"
    ) -> Tensor:
        """`template_features` [C, E] of frozen CLIP, which come from the store or go into it."""

        def compute() -> Tensor:
            return template_features(self.clip_model, classnames, templates, normalize=normalize)

        about = {"classnames": classnames, "templates": templates, "normalize": normalize}
        return self._kept_text(about, compute)

    def descriptions(self) -> Sentences:
        """The sentences of DATASET.DESCRIPTIONS about each of this trainer's classes."""
        if self._descriptions is None:
            self._descriptions = read_descriptions(
                descriptions_file(self.cfg),
                self.dm.dataset.classnames,
                self.clip_model.tokenizer,
                others=getattr(self.dm.dataset, "other_classnames", ()),
            )
        return self._descriptions

    def hand_crafted_view(self, templates: tuple[str, ...], options: object = None) -> Tensor:
        """Hand-crafted features [C, E] of this trainer's classes.

        Those of the templates, or with the option TEMPLATES descriptions of DATASET.DESCRIPTIONS.
        The option is one of `options`, by default the trainer's.
        """
        if getattr(options or self.options, "templates", "") == DESCRIPTIONS:
            return self.described_features()
        return self.hand_crafted_features(self.dm.dataset.classnames, templates)

    def description_features(self, *, normalize: bool = True) -> tuple[Tensor, ...]:
        """Frozen text features [K_c, E] of the K_c sentences about each class, in unit norm.

        With `normalize` False as long as the encoder's. They come from the store or go into it.
        """
        return self.features_of_each(self.descriptions(), normalize=normalize)

    def features_of_each(
        self, sentences: Sentences, *, normalize: bool = True
    ) -> tuple[Tensor, ...]:
        """As `description_features`, of other sentences about each class."""
        flat = [sentence for own in sentences for sentence in own]

        def compute() -> Tensor:
            return sentence_features(self.clip_model, flat, normalize=normalize)

        features = self._kept_text({"sentences": flat, "normalize": normalize}, compute)
        return features.split([len(own) for own in sentences])

    def described_features(self) -> Tensor:
        """Hand-crafted features [C, E] in unit norm: the means over classes' sentences."""
        return unit(torch.stack([own.mean(dim=0) for own in self.description_features()]))

    def _kept_text(self, about: dict[str, object], compute: Callable[[], Tensor]) -> Tensor:
        """What `compute` makes of frozen CLIP and `about`, from the store or on its way there."""
        if not self.cfg.FEATURES.STORE:
            return compute()
        store, depends_on = FeatureStore(default_folder()), {**self._decided_by(), **about}
        return store.get(depends_on, lambda: compute().cpu(), say=False).to(self.device)

    def train(self) -> None:
        """As the engine's; afterwards no loading process of the views is left."""
        try:
            super().train()
        finally:
            if self.views:
                self.views.close()

    def has_validation(self) -> bool:
        """Whether there are validation images to choose by; ImageNet's are its test images."""
        if self.val_loader is None:
            return False
        test = {item.impath for item in self.dm.dataset.test}
        return not any(item.impath in test for item in self.dm.dataset.val)

    def needs_images(self) -> str:
        """Why training cannot do with features of the images; "" where it can."""
        if self.has_frozen_images or self.reads_frozen_views:
            return ""
        return f"{type(self).__name__} {self.changes_images}"

    def training_views(self) -> TrainingViews | None:
        """Frozen features of the training images by epoch; None: training encodes every batch.

        Raises:
            ValueError: FEATURES.TRAIN_STORE is on, and there are none to keep.
        """
        mode = self.cfg.FEATURES.TRAIN_STORE
        loader = self.train_loader_x
        why_not = self.needs_images() or why_not_of_epochs(loader)
        if mode == "on" and why_not:
            raise ValueError(f"FEATURES.TRAIN_STORE must be auto or off: {why_not}.")
        if mode == "off":
            return None
        if why_not:
            print(f"Views of training images: not kept, {why_not}")
            return None
        width = states_width(self.clip_model)
        epochs = 1 if draws_nothing(loader) else self.num_views()
        store = decide(mode, len(self.dm.dataset.train_x), width, epochs)
        if store is None and not self.has_frozen_images:
            return None  # a pass of its own would be for this run alone
        return TrainingViews(loader, self._states, self._features_of, store, self._decided_by())

    def train_labels(self) -> Tensor:
        """Labels [N] of all training images, in the order of `frozen_view`."""
        return torch.tensor([item.label for item in self.dm.dataset.train_x])

    def frozen_states(self, number: int) -> Tensor:
        """What stands before the last projection [N, W], of one view of all training images."""
        if self.views:
            return self.views.states(number)
        return encoded_view(self.images_loader, self._states, max(self.cfg.SEED, 0), number)

    def frozen_view(self, number: int) -> Tensor:
        """Unit features [N, E] of one view of all training images, what that epoch sees."""
        return self._features_of(self.frozen_states(number)).cpu()

    def num_views(self) -> int:
        """How many views of the training images the run reads."""
        return self.cfg.FEATURES.VIEWS or self.max_epoch

    @torch.no_grad()
    def _states(self, images: Tensor) -> Tensor:
        with self.precision.autocast():
            return image_states(self.clip_model, images.to(self.device, non_blocking=True))

    @torch.no_grad()
    def _features_of(self, states: Tensor) -> Tensor:
        with self.precision.autocast():
            features = project_states(self.clip_model, states.to(self.device))
            return features if self.keeps_length else unit(features)
