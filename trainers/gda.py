"""GDA: Gaussian discriminant analysis of image features, added to CLIP's logits; in closed form.

    logits = 100 z T^t + ALPHA (z W^t + b)      W = M S^-1,  b_c = log(1/C) - m_c S^-1 m_c / 2

m_c are means of the classes' features over all views, S is one covariance: "class" the mean of the
classes' own, "shrunk" that of all class-centred features, by the KS estimate
S^-1 = E pinv((n - 1) S + tr(S) I). ALPHA is chosen by validation accuracy.

New classes, as the published code: the mean of the 64 training features nearest to the new class's
text feature and of 16 copies of that; S^-1 the mean over new classes of the KS estimate of those
64 around the text feature.

Paper: A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation, arXiv:2402.04087. Published
code: mrflogs/ICLR24 at 560fe21; "class" is of its base-to-new script, "shrunk" of its few-shot
script. Differences: ALPHA is chosen on the few-shot validation images, where the published code
takes all of the data set's, and for ImageNet the test images: there is no key for either.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from promptkit.config import OptionError, require
from promptkit.feature_trainer import FeatureConfig, FittedTrainer, Tensors, require_every_class
from promptkit.registry import register

NEAREST, COPIES = 64, 16  # of a new class


@dataclass(frozen=True, kw_only=True)
class GDAConfig(FeatureConfig):
    """Options under TRAINER.GDA."""

    alpha: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)  # candidates; one is fixed
    covariance: str = "auto"  # auto: class where base classes are trained, else shrunk

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.alpha or min(self.alpha) < 0:
            raise OptionError(f"ALPHA must be one or more numbers from 0; got {self.alpha}.")
        require("covariance", self.covariance, ("auto", "class", "shrunk"))


def covariance(vectors: Tensor, middle: Tensor) -> Tensor:
    """[E, E] of vectors [n, E] around `middle`, over n - 1."""
    centred = vectors - middle
    return centred.T @ centred / (len(vectors) - 1)


def ks_inverse(matrix: Tensor, count: int) -> Tensor:
    """The KS estimate of the inverse of a covariance [E, E] of `count` vectors."""
    size = len(matrix)
    identity = torch.eye(size, dtype=matrix.dtype, device=matrix.device)
    return size * torch.linalg.pinv((count - 1) * matrix + matrix.trace() * identity)


def classifier(means: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Means [C, E] and the inverse covariance [E, E] to weights [C, E] and biases [C]."""
    weights = means @ inverse
    prior = -torch.log(torch.tensor(float(len(means))))
    return weights, prior - (weights * means).sum(1) / 2


def of_trained_classes(vectors: Tensor, labels: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """The classifier of vectors [n, E] with labels [n], covariance `class` or `shrunk`."""
    parts = [vectors[labels == c] for c in range(int(labels.max()) + 1)]
    means = torch.stack([part.mean(0) for part in parts])
    if kind == "class":
        own = torch.stack([covariance(part, part.mean(0)) for part in parts])
        return classifier(means, torch.linalg.pinv(own.mean(0)))
    centred = torch.cat([part - part.mean(0) for part in parts])
    whole = covariance(centred, centred.mean(0))
    return classifier(means, ks_inverse(whole, len(centred)))


def of_new_classes(vectors: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """The classifier of new classes by their text features [C, E] and vectors [n, E]."""
    means, inverse = [], 0
    for feature in text:
        nearest = vectors[(vectors @ feature).topk(min(NEAREST, len(vectors))).indices]
        means.append(torch.cat([nearest, feature.expand(COPIES, -1)]).mean(0))
        inverse = inverse + ks_inverse(covariance(nearest, feature), len(nearest))
    return classifier(torch.stack(means), inverse / len(text))


@register
class GDA(FittedTrainer):
    """Gaussian discriminant analysis."""

    Config = GDAConfig
    sized_by_data = ("vectors", "labels", "names")
    constants = ("alpha",)

    def build_adapter(self) -> Tensors:
        """Training features of all views, from which every classifier is computed."""
        width = self.clip_model.embed_dim
        self._discriminant: tuple[Tensor, Tensor] | None = None
        return Tensors(
            vectors=torch.zeros(0, width),
            labels=torch.zeros(0, dtype=torch.long),
            names=torch.zeros(0, dtype=torch.uint8),
            shrunk=torch.zeros((), dtype=torch.bool),
            alpha=torch.zeros((), dtype=torch.float64),
        )

    def is_bound_to_classes(self) -> bool:
        """No: see `of_new_classes`."""
        return False

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """As the base's; the discriminant is computed anew."""
        super().load_model(directory, epoch)
        self._discriminant = None

    def take_from(self, other: "GDA") -> None:
        """As the base's; the discriminant is computed anew."""
        super().take_from(other)
        self._discriminant = None

    def names(self) -> Tensor:
        """The classes at hand, as bytes."""
        text = "\n".join(self.dm.dataset.classnames).encode("utf-8", "surrogateescape")
        return torch.tensor(list(text), dtype=torch.uint8)

    def fit(self) -> None:
        """Keeps the features, and of which classes they are; chooses ALPHA."""
        learner, kind = self.learner, self.options.covariance
        if kind == "auto":
            kind = "class" if self.cfg.DATASET.SUBSAMPLE_CLASSES == "base" else "shrunk"
        require_every_class(self, least=2 if kind == "class" else 1)
        learner.vectors = self.train_features.flatten(0, 1)
        learner.labels = self.labels.repeat(self.num_views())
        learner.names = self.names().to(self.device)
        learner.shrunk.fill_(kind == "shrunk")
        self._discriminant = None
        weights, bias = self.weights()

        def logits_of(alpha: float, features: Tensor) -> Tensor:
            return self.zero_shot_logits(features) + alpha * (features @ weights.T + bias)

        alpha = self.best_on_validation(list(self.options.alpha), logits_of)
        self.learner.alpha.fill_(alpha)

    def weights(self) -> tuple[Tensor, Tensor]:
        """[C, E] and [C], of the classes at hand."""
        if self._discriminant is None:
            learner = self.learner
            if torch.equal(learner.names.cpu(), self.names()):
                kind = "shrunk" if learner.shrunk else "class"
                self._discriminant = of_trained_classes(learner.vectors, learner.labels, kind)
            else:
                self._discriminant = of_new_classes(learner.vectors, self.hand_crafted)
        return self._discriminant

    def feature_logits(self, features: Tensor) -> Tensor:
        """Unit features [B, E] to logits [B, C]."""
        weights, bias = self.weights()
        discriminant = features @ weights.T + bias
        return self.zero_shot_logits(features) + self.learner.alpha * discriminant
