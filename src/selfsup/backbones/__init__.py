"""Backbones, the part of a network that is kept: compact ones of our own, and any `timm` model by its name."""

from __future__ import annotations

from selfsup.backbones.attention import use_attention
from selfsup.backbones.backbone import Attention, Backbone, Settings, Stem
from selfsup.backbones.choice import Choice, choose
from selfsup.backbones.names import BACKBONES, Known, available, build, build_from
from selfsup.backbones.weights import load_backbone, load_weights, read_settings, save_backbone, save_settings

__all__ = [
    "BACKBONES",
    "Attention",
    "Backbone",
    "Choice",
    "Known",
    "Settings",
    "Stem",
    "available",
    "build",
    "build_from",
    "choose",
    "load_backbone",
    "load_weights",
    "read_settings",
    "save_backbone",
    "save_settings",
    "use_attention",
]
