"""Plain or fused attention: switching a network between the two. Which is faster is measured when a run starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from torch import nn

from selfsup.backbones.backbone import Attention, Backbone
from selfsup.backbones.text import TextBackbone
from selfsup.backbones.text_attention import NAMES


def use_attention(module: nn.Module, attention: Attention) -> None:
    """Let every attention layer in `module` compute by plain matmul-softmax-matmul, or by torch's fused kernel.

    Weights stay, and results but for rounding. Backbones in `module` note the choice in their settings.
    """
    if attention not in get_args(Attention):
        raise ValueError(f"attention is {attention!r}: it must be one of {', '.join(get_args(Attention))}")
    for layer in module.modules():
        if isinstance(layer, Backbone):
            layer.settings = replace(layer.settings, attention=attention)
        if isinstance(layer, TextBackbone):
            layer.settings = replace(layer.settings, attention=attention)
        elif hasattr(layer, "fused_attn"):  # timm's own switch between the two
            setattr(layer, "fused_attn", attention == "fused")  # noqa: B010 - timm's modules do not declare it for type checkers
        configuration: Any = getattr(layer, "config", None)  # of transformers
        if getattr(configuration, "_attn_implementation", None) in NAMES.values():  # its attention is ours
            configuration._attn_implementation = NAMES[attention]
