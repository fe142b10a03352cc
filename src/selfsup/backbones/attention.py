"""Plain or fused attention: switching a network, and which way is faster on this machine, by precision and processor."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import nn

from selfsup.backbones.backbone import Attention, Backbone

LONGEST_SEQUENCE = 1024
"""Above this many tokens the plain way needs too much memory for its table of all pairs."""

MEASURED_ROWS = 16
"""Pictures in a measurement: both ways cost the same a picture from about this many on, and it keeps the measurement short."""


def use_attention(module: nn.Module, attention: Attention) -> None:
    """Let every attention layer in `module` compute by plain matmul-softmax-matmul, or by torch's fused kernel.

    Weights stay, and results but for rounding. Backbones in `module` note the choice in their settings.
    """
    if attention not in get_args(Attention):
        raise ValueError(f"attention is {attention!r}: it must be one of {', '.join(get_args(Attention))}")
    for layer in module.modules():
        if isinstance(layer, Backbone):
            layer.settings = replace(layer.settings, attention=attention)
        if hasattr(layer, "fused_attn"):  # timm's own switch between the two
            setattr(layer, "fused_attn", attention == "fused")  # noqa: B010 - timm's modules do not declare it for type checkers


def fastest_attention(backbone: Backbone, batch_size: int, dtype: torch.dtype) -> Attention:
    """Time one attention layer of the backbone forward and backward both ways, and return the faster one.

    `dtype` is the precision of training (`torch.bfloat16` means autocast). The backbone and torch's random state stay as they are.
    Takes some hundredths of a second. Without attention layers in it, or without patches, returns what the backbone has now.
    """
    layer: Any = next((module for module in backbone.modules() if hasattr(module, "fused_attn") and hasattr(module, "qkv")), None)
    if layer is None or backbone.patch is None or not isinstance(layer.qkv, nn.Linear):
        return backbone.settings.attention
    length = (backbone.size // backbone.patch) ** 2
    if length > LONGEST_SEQUENCE:
        return "fused"
    weight = layer.qkv.weight
    # Values do not change the speed, as long as none is denormal, infinite or equal to all others.
    shape = (min(batch_size, MEASURED_ROWS), length, weight.shape[1])
    tokens = torch.linspace(-1, 1, shape[0] * shape[1] * shape[2], device=weight.device).reshape(shape).to(weight.dtype)
    kinds: tuple[Attention, ...] = get_args(Attention)
    before, seconds = layer.fused_attn, {}
    for kind in kinds:
        layer.fused_attn = kind == "fused"
        seconds[kind] = fastest(lambda: _forward_backward(layer, tokens, dtype), device=weight.device)
    layer.fused_attn = before
    return min(kinds, key=seconds.__getitem__)


def fastest(step: Callable[[], object], *, device: torch.device, repetitions: int = 3) -> float:
    """Seconds of the fastest of several calls, after one to warm up: the minimum is what other programs disturb least."""
    times = []
    for _ in range(repetitions + 1):
        _wait(device)
        start = time.perf_counter()
        step()
        _wait(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[object]:
    """Autocast to `dtype`, or nothing for fp32."""
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def _forward_backward(layer: nn.Module, tokens: torch.Tensor, dtype: torch.dtype) -> None:
    """One pass through the layer and back to its input and weights, which keep the gradients they had."""
    inputs = [tokens.detach().requires_grad_(), *(parameter for parameter in layer.parameters() if parameter.requires_grad)]
    with torch.enable_grad(), autocast(tokens.device, dtype):
        output = layer(inputs[0])
    torch.autograd.grad(output, inputs, torch.ones_like(output))


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
