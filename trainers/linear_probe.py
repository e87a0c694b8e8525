"""Linear probe: logistic regression on frozen image features, without any words.

    min over W, b of   mean_i CE(W z_i + b, y_i) + |W|^2 / (2 C N)

It says what the features of N images hold, and so what a classifier made of words can reach. The
weights belong to the classes they were trained on: there is no new-class accuracy.

Paper: Learning Transferable Visual Models From Natural Language Supervision, arXiv:2103.00020,
section 3.2; as a few-shot baseline in arXiv:2109.01134 (published code: KaiyangZhou/CoOp at
ff61507, lpclip/). Differences: features in unit norm, fitted with torch's L-BFGS, C (scikit-learn's
inverse penalty) from one grid by the accuracy on the validation images, the smallest of equals.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.config import OptionError, PromptConfig, require_range
from promptkit.feature_trainer import require_one_epoch
from promptkit.registry import register
from promptkit.stores.encoding import encode_all
from promptkit.trainer import PromptTrainer


@dataclass(frozen=True, kw_only=True)
class LinearProbeConfig(PromptConfig):
    """Options under TRAINER.LINEARPROBE."""

    c: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)  # candidates for C; one is fixed
    max_iter: int = 300  # of L-BFGS, for each candidate

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.c or min(self.c) <= 0:
            raise OptionError(f"C must be one or more numbers above 0; got {self.c}.")
        require_range("max_iter", self.max_iter, 1)


def fit(
    linear: nn.Linear, features: Tensor, labels: Tensor, c: float, *, max_iter: int = 300
) -> None:
    """Moves `linear` to the minimum for features [N, E], labels [N] and inverse penalty `c`."""
    optimizer = torch.optim.LBFGS(
        linear.parameters(), max_iter=max_iter, tolerance_grad=1e-6, tolerance_change=1e-10,
        history_size=20, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def objective() -> Tensor:
        optimizer.zero_grad()
        penalty = linear.weight.square().sum() / (2 * c * len(labels))
        loss = F.cross_entropy(linear(features), labels) + penalty
        loss.backward()
        return loss

    optimizer.step(objective)


@register
class LinearProbe(PromptTrainer):
    """Logistic regression on image features."""

    Config = LinearProbeConfig
    learner_name = "linear_probe"
    takes_initial_weights = False
    has_optimizer = False

    def check_cfg(self, cfg) -> None:
        """As the base's; the fit is one epoch."""
        super().check_cfg(cfg)
        require_one_epoch(cfg, "LinearProbe")

    def build_model(self) -> None:
        """Frozen CLIP and a linear layer that starts at zero."""
        self.load_frozen_clip()
        width = self.clip_model.embed_dim
        self.learner = self.model = nn.Linear(width, self.num_classes, device=self.device)
        for parameter in self.learner.parameters():
            nn.init.zeros_(parameter)
        self.register_model(self.learner_name, self.learner)

    def is_bound_to_classes(self) -> bool:
        """Yes: one row of weights each."""
        return True

    def run_epoch(self) -> None:
        """Fits with every candidate for C and keeps the best on validation."""
        candidates = sorted(self.options.c)
        if len(candidates) > 1 and not self.has_validation():
            raise ValueError(
                f"TRAINER.LINEARPROBE.C has {len(candidates)} candidates, and the data set has no "
                "validation images to choose by. Set one value."
            )
        features = self.frozen_view(0).float().to(self.device)
        labels = self.train_labels().to(self.device)
        best_accuracy, best_state = -1.0, {}
        for c in candidates:  # each starts from the one before it, a stronger penalty's
            fit(self.learner, features, labels, c, max_iter=self.options.max_iter)
            accuracy = self._accuracy_on_validation() if len(candidates) > 1 else 0.0
            print(f"C {c:g}: validation accuracy {accuracy:.2f}")
            if accuracy > best_accuracy:
                state = {key: value.clone() for key, value in self.learner.state_dict().items()}
                best_accuracy, best_state = accuracy, state
        self.learner.load_state_dict(best_state)

    def _features(self, loader) -> tuple[Tensor, Tensor]:
        features, labels = encode_all(loader, self._encode)
        return features.float().to(self.device), labels.to(self.device)

    @torch.no_grad()
    def _accuracy_on_validation(self) -> float:
        if not hasattr(self, "_validation"):
            self._validation = self._features(self.val_loader)
        features, labels = self._validation
        return self.accuracy(self.learner(features), labels).item()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits [B, C] to probabilities [B, C]: its own, not CLIP's."""
        return logits.softmax(dim=1)

    def model_inference(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] to logits [B, C]."""
        with torch.no_grad():
            return self.learner(self._encode(images).float())
