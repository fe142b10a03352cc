"""`--backbone auto`: a backbone by picture size, task and budget, from speed measured here."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import cache

import torch

from selfsup.backbones.names import build
from selfsup.timing import shortest

LONG_BUDGET = 30 * 60
"""Seconds from which a larger network is thought of at all."""

LARGE_PICTURE = 64
"""Pixels a side from which a larger network is thought of at all."""

ENOUGH_VIEWS = 1_000_000
"""Views a larger network should see in the budget: a rule of thumb of our own, not of a paper. The compact ConvNet learns most of
what it can of 5,000 small pictures from about 200,000 views, and ResNet-18 has ten times its weights."""


@dataclass(frozen=True)
class Choice:
    """The name of a backbone, and in words why it was taken."""

    name: str
    reason: str


def choose(*, size: int, channels: int, seconds: float | None, prefers_patches: bool) -> Choice:
    """Pick a backbone for pictures of `size` px, from its training speed measured here in about a second or less.

    `seconds` is the budget, None where it is given in steps. `prefers_patches`: the task hides patches, which a ViT can skip.
    Torch's random state stays as it is.
    """
    compact, larger = ("compact_vit", "vit_small_patch16_224") if prefers_patches else ("compact_convnet", "resnet18")
    need = "the task hides patches, and a ViT skips these" if prefers_patches else "compact ConvNets learn fastest in a short time"
    speed, dtype = speed_and_precision(compact, size, channels)
    measured = f"{compact} trains on about {speed:,.0f} views/s here; {need}"
    if seconds is None:
        return Choice(compact, f"{measured}; the budget is not given in time, so the small one is safe")
    if seconds < LONG_BUDGET:
        return Choice(compact, f"{measured}; {_duration(seconds)} is a short budget")
    if size < LARGE_PICTURE:
        return Choice(compact, f"{measured}; pictures of {size} px show little that a larger network would need")
    slower = 4 / _seconds(larger, (4, channels, size, size), dtype)
    views = f"{larger} trains on about {slower:,.0f} views/s here, {slower * seconds:,.0f} in {_duration(seconds)}"
    if slower * seconds < ENOUGH_VIEWS:
        return Choice(compact, f"{measured}; {views}, too few for its size (fewer than {ENOUGH_VIEWS:,})")
    return Choice(larger, f"{views}, enough for a larger network than {compact} (about {speed:,.0f} views/s)")


def speed_and_precision(name: str, size: int, channels: int) -> tuple[float, torch.dtype]:
    """Views a second that a backbone takes forward and backward, in the faster of bf16 autocast and fp32; measured once in a process."""
    return _speed_and_precision(name, size, channels, torch.get_num_threads())


@cache
def _speed_and_precision(name: str, size: int, channels: int, threads: int) -> tuple[float, torch.dtype]:
    rows = min(64, max(8, 64 * 32**2 // size**2))  # enough of them that small pictures do not measure overhead
    dtypes = (torch.bfloat16, torch.float32)
    trial = {dtype: _seconds(name, (8, channels, size, size), dtype) for dtype in dtypes}
    dtype = min(dtypes, key=trial.__getitem__)
    return rows / _seconds(name, (rows, channels, size, size), dtype), dtype


def _seconds(name: str, shape: tuple[int, int, int, int], dtype: torch.dtype) -> float:
    """Seconds of one forward and backward pass with pictures of this shape."""
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    device = device or torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        backbone = build(name, size=shape[-1], channels=shape[1]).to(device).to(memory_format=torch.channels_last)
    images = torch.linspace(0, 1, math.prod(shape), device=device).reshape(shape)

    def step() -> None:
        with autocast(device, dtype):
            embedding = backbone.embed(images)
        torch.autograd.backward(embedding.float().square().mean())

    return shortest([step], device=device)[0]


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[object]:
    """Autocast to `dtype`, or nothing for fp32."""
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)
