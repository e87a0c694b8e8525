"""The base class of backbones."""

from torch import nn


class Backbone(nn.Module):
    """A module that turns images [B, 3, H, W] into features [B, out_features].

    A subclass sets `self._out_features`.
    """

    @property
    def out_features(self) -> int | None:
        """Width of the features; None if the subclass did not say."""
        return getattr(self, "_out_features", None)
