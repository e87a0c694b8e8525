"""Estimates of mutual information between features, with a critic that is learned."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from promptkit.config import require, require_range
from promptkit.objectives.critics import CRITICS, build_critic
from promptkit.objectives.mutual_information import (
    BOUNDS,
    Estimate,
    MovingAverage,
    estimate,
    levelled,
)


@dataclass(frozen=True, kw_only=True)
class MIConfig:
    """How mutual information is estimated (TRAINER.E2MIM.MI)."""

    # infonce | jsd | nwj | dv. With a critic that learns no level (bilinear, cosine) nwj takes the
    # best one, where it equals dv without the moving average.
    bound: str = "infonce"
    critic: str = "bilinear"  # bilinear | cosine | mlp
    temperature: float = 0.07  # of the cosine and bilinear critic; CLIP's 0.01 saturates
    critic_lr: float = 0.0002  # learning rate of the critic; the prompts' is OPTIM.LR
    agreement: float = 0.0  # weight of mean (1 - <s, h>) beside the estimate of the text views

    def __post_init__(self) -> None:
        require("bound", self.bound, tuple(BOUNDS))
        require("critic", self.critic, CRITICS)
        require_range("temperature", self.temperature, 0, open_low=True)
        require_range("critic_lr", self.critic_lr, 0)
        require_range("agreement", self.agreement, 0)


class MIEstimator(nn.Module):
    """A bound with its critic: views x [N, E] and y [N + R, E] to an estimate."""

    def __init__(self, config: MIConfig, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.bound = config.bound
        self.critic = build_critic(config.critic, width, config.temperature, generator)
        self.average = MovingAverage()

    def forward(self, x: Tensor, y: Tensor) -> Estimate:
        """MI in nats, and the objective to maximise; in fp32 also where the step is not."""
        with torch.autocast(x.device.type, enabled=False):
            scores = self.critic(x.float(), y.float())
            if not self.critic.learns_level:
                scores = levelled(self.bound, scores)
            return estimate(self.bound, scores, average=self.average)
