"""Critics: learnable scores `T(x, y)` of how well two views match, for bounds on MI.

Each maps `x [N, D]` and `y [M, D]` to all scores `[N, M]`, in fp32 or better unless autocast is on.

CLIP's own temperature, 0.01, saturates `infonce`: the frozen text features of different classes
are so alike that a matching pair wins by far even when the views have drifted apart. 0.07 keeps a
gradient. The cosine and bilinear critics have no offset; `infonce` and `dv` do not see one, while
`nwj` and `jsd` are tight only at a certain level of scores, which the MLP can learn: for the others
see `mutual_information.levelled`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CRITICS = ("cosine", "bilinear", "mlp")


class CosineCritic(nn.Module):
    """`T(x, y) = <unit(x), unit(y)> / temperature`, without parameters.

    Attributes:
        learns_level: whether a constant can be added to all scores by training.
    """

    learns_level = False

    def __init__(self, temperature: float) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"The temperature of a critic must be above 0; got {temperature}.")
        self.temperature = temperature

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score all pairs of `x [N, D]` and `y [M, D]`: `[N, M]`."""
        x, y = (view.to(torch.promote_types(view.dtype, torch.float32)) for view in (x, y))
        return F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).T / self.temperature


class BilinearCritic(CosineCritic):
    """`T(x, y) = <unit(P x), unit(Q y)> / temperature`: the cosine critic until it is trained.

    Args:
        width: D, the size of both views.
        temperature: of the scores.
    """

    def __init__(self, width: int, temperature: float) -> None:
        super().__init__(temperature)
        self.x_projection = nn.Parameter(torch.eye(width))  # P
        self.y_projection = nn.Parameter(torch.eye(width))  # Q

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score all pairs of `x [N, D]` and `y [M, D]`: `[N, M]`."""
        x = F.linear(x.to(self.x_projection.dtype), self.x_projection)
        y = F.linear(y.to(self.y_projection.dtype), self.y_projection)
        return super().forward(x, y)


class MLPCritic(nn.Module):
    """`T(x, y) = Linear(W, 1)(ReLU(Linear(2D, W)([x, y])))`.

    Args:
        width: D, the size of both views.
        hidden: W, the size of the hidden layer.
        generator: draws the initial weights, so that the global random state stays untouched.
    """

    learns_level = True

    def __init__(self, width: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.width = width
        self.first = _linear(2 * width, hidden, generator)
        self.last = _linear(hidden, 1, generator)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score all pairs of `x [N, D]` and `y [M, D]`: `[N, M]`."""
        # Each half of the first layer sees N or M rows: no [N, M, 2D] of concatenated pairs.
        x_weight, y_weight = self.first.weight.split(self.width, dim=1)
        x = F.linear(x.to(x_weight.dtype), x_weight)
        y = F.linear(y.to(y_weight.dtype), y_weight, self.first.bias)
        hidden = torch.relu_(x.unsqueeze(1) + y)  # [N, M, W]
        return self.last(hidden).squeeze(-1)


def build_critic(
    name: str, width: int, temperature: float, generator: torch.Generator
) -> CosineCritic | BilinearCritic | MLPCritic:
    """Build the critic called `name`.

    Args:
        name: one of `CRITICS`.
        width: D, the size of both views, and of the hidden layer of `mlp`.
        temperature: of `cosine` and `bilinear`; `mlp` learns the scale of its scores.
        generator: draws the weights of `mlp`.

    Raises:
        ValueError: on an unknown name.
    """
    if name == "cosine":
        return CosineCritic(temperature)
    if name == "bilinear":
        return BilinearCritic(width, temperature)
    if name == "mlp":
        return MLPCritic(width, width, generator)
    raise ValueError(f"The critic must be one of {', '.join(CRITICS)}; got {name!r}.")


def _linear(num_inputs: int, num_outputs: int, generator: torch.Generator) -> nn.Linear:
    """Make a linear layer with PyTorch's usual distribution of weights, drawn from `generator`."""
    layer = nn.utils.skip_init(nn.Linear, num_inputs, num_outputs)
    limit = 1 / math.sqrt(num_inputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -limit, limit, generator=generator)
    return layer
