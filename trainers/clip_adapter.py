"""CLIP-Adapter: a small network on image features, mixed with them.

    z' = RATIO MLP(z) + (1 - RATIO) z      MLP = Linear E -> E/4, ReLU, Linear E/4 -> E, ReLU
    logits = 100 <unit(z'), t_c>

Paper: CLIP-Adapter: Better Vision-Language Models with Feature Adapters, arXiv:2110.04544. The
formula is of the paper's code (gaopengcuhk/CLIP-Adapter), which was published without a recipe; the
recipe is that of jusiro/CLAP at dbdf409, which it shares with ZSLP, CLAP and TaskRes. There RATIO
is searched on the test images; here it is the value of both codes, 0.2. Features enter in unit
norm: the network has no biases, so z' and its gradients only change their scale.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from promptkit.bottleneck import bottleneck
from promptkit.config import require_range
from promptkit.feature_trainer import FeatureConfig, FeatureTrainer
from promptkit.registry import register


@dataclass(frozen=True, kw_only=True)
class CLIPAdapterConfig(FeatureConfig):
    """Options under TRAINER.CLIPADAPTER."""

    views: int = 20
    ratio: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("ratio", self.ratio, 0, 1)


@register
class CLIPAdapter(FeatureTrainer):
    """A network on image features; it fits every class list."""

    Config = CLIPAdapterConfig

    def build_adapter(self) -> nn.Sequential:
        """The network, as torch starts it."""
        return bottleneck(self.clip_model.embed_dim)

    def is_bound_to_classes(self) -> bool:
        """No: it moves image features."""
        return False

    def feature_logits(self, features: Tensor) -> Tensor:
        """Unit features [B, E] to logits [B, C]."""
        ratio = self.options.ratio
        moved = ratio * self.learner(features) + (1 - ratio) * features
        return self.zero_shot_logits(F.normalize(moved, dim=-1))
