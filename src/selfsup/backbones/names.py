"""Backbones by name: the one table, and building from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from selfsup.backbones.backbone import Attention, Backbone, Settings, Stem

COMPACT, TIMM = "selfsup.backbones.compact", "selfsup.backbones.timm_backbone:timm_backbone"


@dataclass(frozen=True)
class Known:
    """One row of the table: `parameters` for RGB pictures of 64 px in words, `patches` whether tasks can hide patches from it.

    `place` is the function that builds it, `module:name`, imported when it is needed: timm takes a second and a half.
    """

    name: str
    parameters: str
    purpose: str
    patches: bool
    place: str


BACKBONES = {
    row.name: row
    for row in (
        Known("compact_convnet", "1.1 M", "short budgets on a processor, small pictures", False, f"{COMPACT}:CompactConvNet"),
        Known("compact_vit", "1.8 M", "short budgets for tasks that hide patches", True, f"{COMPACT}:compact_vit"),
        Known("resnet18", "11.2 M", "long budgets; small pictures get a small stem", False, TIMM),
        Known("resnet50", "23.5 M", "long budgets on an accelerator", False, TIMM),
        Known("convnext_atto", "3.4 M", "few weights without BatchNorm", False, TIMM),
        Known("vit_tiny_patch16_224", "5.4 M", "tasks that hide patches, long budgets", True, TIMM),
        Known("vit_small_patch16_224", "21.4 M", "tasks that hide patches, long budgets on an accelerator", True, TIMM),
    )
}
"""Backbones that were tried. Any other name is looked up in timm."""


def available() -> list[Known]:
    """The backbones that were made for this or tried. Any name of timm works too."""
    return list(BACKBONES.values())


def build(
    name: str,
    *,
    size: int,
    channels: int = 3,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    attention: Attention = "plain",
    stem: Stem | None = None,
) -> Backbone:
    """A freshly initialised backbone for pictures of `size` px a side, drawn from torch's global random state.

    `name` is one of `available()` or any name of timm. `mean` and `std` are per channel, of pixels in [0, 1] (0.5 and 0.25 where not
    given). `stem` overrules the choice by size. Raises ValueError for unknown names and sizes that do not fit.
    """
    mean, std = mean or (0.5,) * channels, std or (0.25,) * channels
    return build_from(Settings(name, size, channels, tuple(map(float, mean)), tuple(map(float, std)), stem=stem, attention=attention))


def build_from(settings: Settings) -> Backbone:
    """A freshly initialised backbone as `settings` say, which `backbone.settings` then holds completed."""
    known = BACKBONES.get(settings.name)
    module, _, name = (known.place if known else TIMM).partition(":")
    built: Backbone = getattr(import_module(module), name)(settings)
    return built
