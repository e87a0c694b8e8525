"""The base of MMRL and MMRL++: representation tokens in both encoders, and a head of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from promptkit import ranks
from promptkit.backbones.installed_clip import VisionTransformer
from promptkit.checkpoints.loading import Trained
from promptkit.config import OptionError, PromptConfig, require_range
from promptkit.did_you_mean import did_you_mean
from promptkit.encoders.image_encoder import (
    VisionTokens,
    project_states,
    states_above,
    tokens_below,
)
from promptkit.encoders.text_encoder import Prompts, below
from promptkit.frozen_features import unit
from promptkit.prompts.deep import num_layers
from promptkit.prompts.representation import RepresentationTokens
from promptkit.prompts.sentences import fixed_prompts
from promptkit.prompts.templates import dataset_template, fill
from promptkit.vision_trainer import VisionPromptTrainer


@dataclass(frozen=True, kw_only=True)
class RepresentationConfig(PromptConfig):
    """What both take."""

    n_rep_tokens: int = 5  # K
    rep_dim: int = 512  # D_r
    rep_layers: tuple[int, ...] = (6, 7, 8, 9, 10, 11, 12)  # of both encoders, 1 is the first
    alpha: float = 0.7  # of the class token's logits; 1 - ALPHA of the representation's
    reg_weight: float = 1.0  # lambda, of the distances to frozen features
    as_published: bool = False  # the data set's constants of the published code instead

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_rep_tokens", "rep_dim"):
            require_range(name, getattr(self, name), 1)
        require_range("alpha", self.alpha, 0, 1)
        require_range("reg_weight", self.reg_weight, 0)
        layers = list(self.rep_layers)
        first = layers[0] if layers else 0
        if first < 1 or layers != list(range(first, first + len(layers))):
            raise OptionError(
                "REP_LAYERS must be layers that follow each other, 1 the first, such as "
                f"[6, 7, 8]; got {layers}."
            )

    @property
    def layers(self) -> range:
        """Those of REP_LAYERS, counted from 0."""
        return range(self.rep_layers[0] - 1, self.rep_layers[-1])


class RepresentationTrainer(VisionPromptTrainer):
    """Learns representation tokens.

    Classes of the training are told apart by ALPHA L + (1 - ALPHA) L_r, others by L alone, as
    published: whoever tests tells which they are. Other classes are those that were not trained,
    and all of another data set, renderings of ImageNet among them. With the names of both at once
    (`joint_inference`) the rule is L alone, for all.
    """

    Config: type[RepresentationConfig] = RepresentationConfig
    learner_name = "MultiModalRepresentationLearner"
    reads_frozen_views = True
    uses_task_oracle = True
    takes_the_place: Mapping[str, Mapping[str, Any]] = {}  # published constants by data set

    def representation(self) -> RepresentationTokens:
        """What is trained."""
        raise NotImplementedError

    def check_cfg(self, cfg) -> None:
        """As the base's; with AS_PUBLISHED the data set's constants take the options' place.

        Raises:
            ValueError: AS_PUBLISHED, and the published code has none for the data set, or
                PROTOCOL.PER_DATA_SET does not say that constants follow it.
        """
        super().check_cfg(cfg)
        if not self.options.as_published:
            return
        name, known = cfg.DATASET.NAME, self.takes_the_place
        if not cfg.PROTOCOL.PER_DATA_SET:
            raise ValueError(
                f"TRAINER.{type(self).__name__.upper()}.AS_PUBLISHED takes constants of the data "
                "set: PROTOCOL.PER_DATA_SET must be True, as in the recipes ..._as_published; got "
                "False."
            )
        if name not in known:
            raise ValueError(
                f"TRAINER.{type(self).__name__.upper()}.AS_PUBLISHED must be False with {name}: "
                "the published code has constants for these alone: "
                f"{', '.join(known)}.{did_you_mean(name, known)}"
            )
        self.options = replace(self.options, **known[name])
        values = ", ".join(f"{key.upper()} {value}" for key, value in known[name].items())
        print(f"As published for {name}: {values}")

    def build_learner(self, classnames: list[str]) -> RepresentationTokens:
        """The tokens; and sentences whose way through the frozen lower layers is kept."""
        model, options = self.clip_model, self.options
        if not isinstance(model.visual, VisionTransformer):
            raise ValueError(
                f"{type(self).__name__} reads tokens of OpenAI's vision transformers, and "
                f"{self.cfg.MODEL.BACKBONE.NAME} has another image encoder. Set "
                "MODEL.BACKBONE.NAME to a ViT of OpenAI's, Woven or Pocket."
            )
        layers = min(num_layers(model))
        if options.layers.stop > layers:
            raise ValueError(
                f"TRAINER.{type(self).__name__.upper()}.REP_LAYERS must end at {layers} or before, "
                f"the number of layers that this backbone has; got {list(options.rep_layers)}."
            )
        template = dataset_template(self.dm.dataset, self.cfg.DATASET.TEMPLATE)
        self.hand_crafted = self.hand_crafted_features(classnames, (template,))
        sentences = [fill(template, name) for name in classnames]
        learner = self.representation()
        prompts = fixed_prompts(model, sentences, classnames=classnames)
        prompts.tree.behind(len(prompts.prefix) + options.n_rep_tokens)
        with self.precision.autocast():
            self.sentences = below(model, prompts, options.layers.start)
        return learner

    def prompts(self) -> Prompts:
        """The data set's sentence with each class, and the tokens in it."""
        return replace(self.sentences, inserted=self.learner.text_tokens())

    def image_features(self, images: Tensor) -> Tensor:
        """Of the class token and of the representation, in unit norm: [B, 3, H, W] to [B, 2, E]."""
        first = self.options.layers.start
        return self._features_above(tokens_below(self.clip_model, images, first))

    def _features_above(self, tokens: Tensor) -> Tensor:
        """[B, 2, E] of what goes into the first layer with tokens, [B, L, D]."""
        model, prompts = self.clip_model, self.vision_tokens()
        first, head = self.options.layers.start, self.learner.head(model)

        def encoded(rows: slice) -> Tensor:
            states = states_above(model, tokens[rows], first, prompts)  # [B, 1 + K, W]
            mean = states[:, 1:].mean(dim=1)
            own = mean @ head.to(mean.dtype)
            return unit(torch.stack([project_states(model, states[:, 0]), own], dim=1))

        return ranks.split(encoded, len(tokens))

    def _frozen_features(self, images: Tensor, tokens: Tensor) -> Tensor:
        """Of the images without tokens [B, E]; the lower layers are not run again."""
        if self.frozen is not None and self.batch_indices is not None:
            return self.frozen_image_features(images)
        first = self.options.layers.start
        with torch.no_grad():
            states = states_above(self.clip_model, tokens, first, VisionTokens())
            return unit(project_states(self.clip_model, states[:, 0]))

    def loss(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Both cross-entropies and the distances to frozen features."""
        alpha, text_features = self.options.alpha, self.text_features()
        tokens = tokens_below(self.clip_model, images, self.options.layers.start)
        image_features = self._features_above(tokens)
        frozen = self._frozen_features(images, tokens)
        logits, rep_logits = (self.logits(x, text_features) for x in image_features.unbind(1))
        ce, rep_ce = F.cross_entropy(logits, labels), F.cross_entropy(rep_logits, labels)
        image_distance = _distance(image_features[:, 0], frozen)
        text_distance = _distance(text_features, self.hand_crafted)
        held = self.options.reg_weight * (image_distance + text_distance)
        fused = alpha * logits + (1 - alpha) * rep_logits
        return {
            "loss": alpha * ce + (1 - alpha) * rep_ce + held,
            "acc": self.accuracy(fused, labels),
            "ce": ce,
            "rep_ce": rep_ce,
            "image_distance": image_distance,
            "text_distance": text_distance,
        }

    def model_inference(self, images: Tensor) -> Tensor:
        """Logits [B, C] by the rule of the classes at hand."""
        if not self.tells_trained_classes():
            return self.joint_inference(images)
        alpha = self.options.alpha
        with torch.no_grad(), self.precision.autocast():
            features, text_features = self.image_features(images), self.kept_class_features()
            logits, rep_logits = (self.logits(x, text_features) for x in features.unbind(1))
            return alpha * logits + (1 - alpha) * rep_logits

    def joint_inference(self, images: Tensor) -> Tensor:
        """Logits [B, C] of the class token alone: the one rule for all classes."""
        with torch.no_grad(), self.precision.autocast():
            features = self.image_features(images)[:, 0]
            return self.logits(features, self.kept_class_features())

    def tells_trained_classes(self) -> bool:
        """Whether all classes at hand are of the training.

        What does not say its classes was trained here, or by the authors' code: then they are those
        at hand, unless these are the new half.
        """
        source = self.lender or self
        trained = source.trained_on
        if not trained.classnames:
            if source.cfg.DATASET.SUBSAMPLE_CLASSES == "new":
                return False
            trained = Trained(source.cfg.DATASET.NAME, tuple(source.dm.dataset.classnames))
        own = set(self.dm.dataset.classnames)
        return trained.dataset == self.cfg.DATASET.NAME and own <= set(trained.classnames)

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """As the base's; says which rule classifies where the checkpoint leaves it open."""
        super().load_model(directory, epoch)
        if directory and not self.trained_on.classnames:
            rule = "with" if self.tells_trained_classes() else "without"
            print(
                f"The checkpoint does not say its classes: these are classified {rule} the "
                "representation's logits (DATASET.SUBSAMPLE_CLASSES new is without)"
            )


def _distance(features: Tensor, frozen: Tensor) -> Tensor:
    """1 - the mean cosine of pairs in unit norm, [N, E]."""
    return 1 - (features.float() * frozen.float()).sum(dim=-1).mean()
