"""The network a trainer builds unless it brings its own."""

from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from dassl.modeling import build_backbone, build_head


class SimpleNet(nn.Module):
    """A backbone, an optional head and a linear classifier.

    Args:
        cfg: the configuration.
        model_cfg: its MODEL node.
        num_classes: C; 0 leaves the classifier out.
        kwargs: passed to the backbone and the head.
    """

    def __init__(self, cfg: CfgNode, model_cfg: CfgNode, num_classes: int, **kwargs: Any) -> None:
        super().__init__()
        self.backbone = build_backbone(
            model_cfg.BACKBONE.NAME,
            verbose=cfg.VERBOSE,
            pretrained=model_cfg.BACKBONE.PRETRAINED,
            **kwargs,
        )
        width = self.backbone.out_features

        self.head = None
        if model_cfg.HEAD.NAME and model_cfg.HEAD.HIDDEN_LAYERS:
            self.head = build_head(
                model_cfg.HEAD.NAME,
                verbose=cfg.VERBOSE,
                in_features=width,
                hidden_layers=model_cfg.HEAD.HIDDEN_LAYERS,
                activation=model_cfg.HEAD.ACTIVATION,
                bn=model_cfg.HEAD.BN,
                dropout=model_cfg.HEAD.DROPOUT,
                **kwargs,
            )
            width = self.head.out_features

        self.classifier = nn.Linear(width, num_classes) if num_classes > 0 else None
        self._fdim = width

    @property
    def fdim(self) -> int:
        """Width D of the features."""
        return self._fdim

    def forward(
        self, x: torch.Tensor, return_feature: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return logits [B, C] of images [B, 3, H, W], and on request the features [B, D].

        Without a classifier the features stand in for the logits.
        """
        features = self.backbone(x)
        if self.head is not None:
            features = self.head(features)
        if self.classifier is None:
            return features
        logits = self.classifier(features)
        return (logits, features) if return_feature else logits
