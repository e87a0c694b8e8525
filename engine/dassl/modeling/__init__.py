"""Registries of network parts. The prompt trainers bring their own networks."""

from dassl.modeling.backbone import BACKBONE_REGISTRY, Backbone, build_backbone
from dassl.modeling.head import HEAD_REGISTRY, build_head
from dassl.modeling.network import NETWORK_REGISTRY, build_network

__all__ = [
    "BACKBONE_REGISTRY",
    "HEAD_REGISTRY",
    "NETWORK_REGISTRY",
    "Backbone",
    "build_backbone",
    "build_head",
    "build_network",
]
