"""What every image backbone offers: one embedding a picture, tokens, and maps of named layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

FORMAT = 1
"""Format number of `backbone.json`."""

Attention = Literal["plain", "fused"]
"""Plain matmul-softmax-matmul, or torch's fused kernel."""

Stem = Literal["small", "standard"]
"""First layers that keep the resolution of small pictures, or those of the paper."""


@dataclass(frozen=True)
class Settings:
    """Everything needed to build a backbone again, weights apart: most of `backbone.json`.

    `size` is the side of a picture in pixels; `mean` and `std` are per channel, of pixels in [0, 1]; `patch` is the side of a ViT
    patch in pixels; `arguments` go to the network's constructor (`timm.create_model` for `timm` names), so that a saved network
    keeps its shape when a later release chooses otherwise. What is left None or empty is filled in while building.
    """

    name: str
    size: int
    channels: int = 3
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.25, 0.25, 0.25)
    stem: Stem | None = None
    patch: int | None = None
    attention: Attention = "plain"
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 1 or self.channels < 1:
            raise ValueError(f"size is {self.size} and channels {self.channels}: both must be at least 1")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(
                f"mean has {len(self.mean)} and std {len(self.std)} values, but pictures have {self.channels} channels: "
                "give one value a channel"
            )
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}: every value must be above 0")
        if self.attention not in get_args(Attention):
            raise ValueError(f"attention is {self.attention!r}: it must be one of {get_args(Attention)}")
        if self.stem not in (None, *get_args(Stem)):
            raise ValueError(f"stem is {self.stem!r}: it must be one of {get_args(Stem)}")


class Backbone(nn.Module, ABC):
    """The part of the network that is kept. Takes float pictures in [0, 1] of shape (B, C, S, S) and normalises them itself.

    Attributes: `name`; `width`, the D of `embed`; `size`, the picture side it was made for; `channels`; `layers`, from shallow to deep, of
    which the last is what `embed` pools; `projection`, the matrix (E, D) that brings an embedding into the space that a run of pairs
    shares, where it was one of its sides (no part of its state); `patch`, the side of a ViT patch in pixels, else None; `stride`, pixels of
    the picture per position of the last map; `map_side`, positions along each side of that map; `settings`, what `backbone.json` holds.
    Nothing in it draws random numbers.
    """

    mean: Tensor
    std: Tensor
    projection: Tensor | None = None

    def __init__(self, settings: Settings, *, width: int, layers: tuple[str, ...], stride: int) -> None:
        super().__init__()
        self.settings = settings
        self.name, self.size, self.channels = settings.name, settings.size, settings.channels
        self.patch = settings.patch
        self.width, self.layers, self.stride = width, layers, stride
        self.map_side: int = -(-self.size // stride)  # the last position may reach beyond the picture
        # Not in the state dict: they stand in backbone.json, and weights of other libraries do not have them.
        self.register_buffer("mean", torch.tensor(settings.mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(settings.std).reshape(1, -1, 1, 1), persistent=False)

    def normalise(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Pictures in [0, 1] with the mean taken off and divided by the standard deviation, per channel."""
        if images.shape[1] != self.channels:
            raise ValueError(f"pictures have {images.shape[1]} channels, but the backbone {self.name!r} was built for {self.channels}")
        return (images - self.mean) / self.std

    def embed(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """One embedding a picture: the mean over all positions of the last layer."""
        return self.tokens(images).mean(dim=1)

    @abstractmethod
    def tokens(self, images: Float[Tensor, "B C H W"], keep: Int[Tensor, "B K"] | None = None) -> Float[Tensor, "B T D"]:
        """The last layer as a sequence, row by row. With `keep`, only those patches are computed at all (ViTs only).

        Raises ValueError where `keep` is given to a backbone that cannot leave patches out.
        """

    @abstractmethod
    def features(self, images: Float[Tensor, "B C H W"]) -> dict[str, Float[Tensor, "B _ _ _"]]:
        """The maps of all `layers`, (B, D, h, w) each with a D, h and w of its own, from shallow to deep."""

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """The same as `embed`, so that a backbone is an ordinary module."""
        return self.embed(images)

    def takes(self, side: int) -> bool:
        """Whether pictures of `side` px can be embedded, besides those of `size`: tried on an empty one, in evaluation mode."""
        training = self.training
        try:
            with torch.no_grad():
                self.eval().embed(torch.zeros(1, self.channels, side, side, device=self.mean.device))
        except (RuntimeError, AssertionError, ValueError, IndexError):
            return False
        finally:
            self.train(training)
        return True

    def use_normalisation(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Normalise pictures by other constants, as weights from elsewhere ask for. One value a channel."""
        self.settings = replace(self.settings, mean=mean, std=std)
        self.mean.copy_(torch.tensor(mean).reshape(1, -1, 1, 1))
        self.std.copy_(torch.tensor(std).reshape(1, -1, 1, 1))

    def refuse_keep(self, keep: Tensor | None) -> None:
        """Raise the error of a backbone that computes every position."""
        if keep is not None:
            raise ValueError(
                f"the backbone {self.name!r} cannot compute some patches only: take a ViT, such as compact_vit or vit_tiny_patch16_224"
            )


def evenly_spaced(depth: int, count: int) -> list[int]:
    """Up to `count` evenly spaced numbers out of 0 to depth - 1, always with the last one."""
    return sorted({max(1, round(depth * (n + 1) / count)) - 1 for n in range(count)})
