"""LP++: a linear probe beside CLIP's logits, whose weight each class learns.

    logits = z W^t + b + a * (z T^t)        a: one number a class

W starts at the sums of the classes' features, a at 250 times the mean over classes of how well
their images fit their text. Step sizes come from bounds of the curvature: 4 M / largest eigenvalue
of Z^t Z for W and b (SGD, momentum 0.9, full batch of M), M / (4 max_c sum_i (z_i t_c)^2) for a,
which takes a plain step at every tenth step, along the sum of its gradients since the first. Of
300 steps that one is kept which is best on the validation images, the last of equals (SELECT val).

Paper: LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP, arXiv:2404.02285. Published code:
FereshteShakeri/FewShot-CLIP-Strong-Baseline at f81054f, methods/linear_probe_p2.py, whose
validation images are few-shot ones, too.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.config import require, require_range
from promptkit.feature_trainer import FeatureConfig, FittedTrainer, require_every_class
from promptkit.registry import register

MOMENTUM, ALPHA_EVERY, ALPHA_START = 0.9, 10, 250


@dataclass(frozen=True, kw_only=True)
class LPPlusPlusConfig(FeatureConfig):
    """Options under TRAINER.LPPLUSPLUS."""

    views: int = 1
    steps: int = 300
    select: str = "auto"  # auto: val where there are validation images | val | last

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("steps", self.steps, 1)
        require("select", self.select, ("auto", "val", "last"))


class BlendedProbe(nn.Module):
    """W [C, E], b [C] and a [C]; and of which step they are."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, num_classes)
        self.alpha = nn.Parameter(torch.zeros(num_classes))
        self.register_buffer("step", torch.zeros((), dtype=torch.long))  # that is kept

    def forward(self, features: Tensor, text: Tensor) -> Tensor:
        """Features [B, E] and text features [C, E] to logits [B, C]."""
        return self.linear(features) + self.alpha * (features @ text.T)


def step_sizes(features: Tensor, text: Tensor) -> tuple[float, float]:
    """Of W and b, and of a, for features [M, E] and text features [C, E]."""
    largest = torch.linalg.eigvalsh((features.T @ features).double())[-1].item()
    fits = (features @ text.T).square().sum(0).max().item()
    return 4 * len(features) / largest, len(features) / (4 * fits)


@register
class LPPlusPlus(FittedTrainer):
    """The blended linear probe."""

    Config = LPPlusPlusConfig
    constants = ("step",)

    def build_adapter(self) -> BlendedProbe:
        """Starts in `fit`; biases are drawn as torch's linear layers draw them."""
        return BlendedProbe(self.num_classes, self.clip_model.embed_dim)

    def feature_logits(self, features: Tensor) -> Tensor:
        """Unit features [B, E] to logits [B, C]."""
        return self.learner(features, self.hand_crafted)

    def fit(self) -> None:
        """Gradient descent with the step sizes that the data give."""
        require_every_class(self)
        learner, text = self.learner, self.hand_crafted
        features, labels = self.train_features.flatten(0, 1), self.labels.repeat(self.num_views())
        one_hot = F.one_hot(labels, self.num_classes).float()
        fits = ((one_hot * (features @ text.T)).sum(0) / one_hot.sum(0)).mean()
        with torch.no_grad():
            learner.linear.weight.copy_(one_hot.T @ features)
            learner.alpha.fill_(ALPHA_START * fits)
        rate, rate_of_alpha = step_sizes(features, text)
        optimizer = torch.optim.SGD(learner.linear.parameters(), rate, momentum=MOMENTUM)
        found = self.validation_features() if self.options.select != "last" else None
        if found is None and self.options.select == "val":
            raise ValueError(
                "TRAINER.LPPLUSPLUS.SELECT is val, and the data set has no validation images. Set "
                "it to last."
            )
        learner.alpha.grad = None
        best, kept, taken = -1, learner.state_dict(), self.options.steps
        for step in range(1, self.options.steps + 1):
            loss = F.cross_entropy(learner(features, text), labels)
            optimizer.zero_grad()  # of W and b alone
            loss.backward()
            optimizer.step()
            if step % ALPHA_EVERY == 0:
                with torch.no_grad():
                    learner.alpha -= rate_of_alpha * learner.alpha.grad
            if found is not None:
                with torch.no_grad():
                    hits = int((learner(found[0], text).argmax(1) == found[1]).sum())
                if hits >= best:
                    best, taken = hits, step
                    kept = {key: value.clone() for key, value in learner.state_dict().items()}
        if found is not None:
            learner.load_state_dict(kept)
            print(f"Step {taken} of {self.options.steps}: {best} of {len(found[1])} right in "
                  "validation")  # fmt: skip
        learner.step.fill_(taken)
