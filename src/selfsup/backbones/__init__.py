"""Backbones, the part of a network that is kept: compact ones of our own, any `timm` model by its name, and `transformers` for text."""

from __future__ import annotations

from selfsup.backbones.attention import use_attention
from selfsup.backbones.backbone import Attention, Backbone, Settings, Stem
from selfsup.backbones.choice import Choice, choose
from selfsup.backbones.names import BACKBONES, Known, available, build, build_from
from selfsup.backbones.pair import SIDES, PairBackbone, Side, read_projection, save_projection
from selfsup.backbones.text import TextBackbone, TextSettings
from selfsup.backbones.text_names import build_text, build_text_from, text_backbones
from selfsup.backbones.text_weights import load_text_backbone, read_text_settings, save_text_backbone, save_text_settings
from selfsup.backbones.vocabulary import Vocabulary
from selfsup.backbones.weights import load_backbone, load_weights, read_settings, save_backbone, save_settings

__all__ = [
    "BACKBONES",
    "SIDES",
    "Attention",
    "Backbone",
    "Choice",
    "Known",
    "PairBackbone",
    "Settings",
    "Side",
    "Stem",
    "TextBackbone",
    "TextSettings",
    "Vocabulary",
    "available",
    "build",
    "build_from",
    "build_text",
    "build_text_from",
    "choose",
    "load_backbone",
    "load_text_backbone",
    "load_weights",
    "read_projection",
    "read_settings",
    "read_text_settings",
    "save_backbone",
    "save_projection",
    "save_settings",
    "save_text_backbone",
    "save_text_settings",
    "text_backbones",
    "use_attention",
]
