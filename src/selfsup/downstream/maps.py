"""Feature maps of whole pictures for a head on top: few levels from fine to coarse, whatever the backbone, computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.data import Store
from selfsup.views import plain

LEVELS = 3

FINEST = 32
"""Positions a side of the finest map that is used: finer ones cost more than they tell."""

ROWS = 64

Maps = list[Tensor]
"""A (B, C, h, w) for each level, from fine to coarse."""


def backbone_maps(network: Backbone, images: Float[Tensor, "B C H W"]) -> Maps:
    """Up to three levels of a backbone, each of about half the resolution of the one before.

    A ConvNet's levels are the deepest maps of its coarsest resolutions. A network with one resolution (a ViT) has all its layers side by
    side at that one, at twice and at half of it, as Li, Mao, Girshick, He found enough (ECCV 2022, arXiv 2203.16527).
    """
    by_side: dict[int, list[Tensor]] = {}
    for one in network.features(images).values():
        by_side.setdefault(one.shape[-1], []).append(one)
    sides = sorted(by_side, reverse=True)
    if len(sides) > 1:
        fine_enough = [side for side in sides if side <= FINEST] or sides[-1:]
        return [by_side[side][-1] for side in fine_enough[-LEVELS:]]
    middle = torch.cat(by_side[sides[0]], dim=1)
    finer = [F.interpolate(middle, scale_factor=2.0, mode="bilinear")] if 2 * sides[0] <= FINEST else []
    return [*finer, middle, *([F.avg_pool2d(middle, 2)] if sides[0] > 3 else [])]


def pixel_maps(images: Float[Tensor, "B C H W"]) -> Maps:
    """The pixels themselves as levels: patches of a 24th, a 12th and a 6th of the side (about), with each patch's pixels as channels."""
    side = images.shape[-1]
    levels = []
    for positions in (24, 12, 6):
        patch = max(1, side // positions)
        used = patch * (side // patch)
        whole = images if used == side else F.interpolate(images, size=(used, used), mode="bilinear")
        levels.append(F.pixel_unshuffle(whole, patch))
    return list({level.shape[-1]: level for level in levels}.values())


@dataclass(frozen=True)
class Seen:
    """What a head is trained on: levels of pictures of a store, by row.

    `look` makes maps of pictures of `size` pixels a side; each channel of a level is shifted and scaled as `reference` pictures ask for.
    """

    store: Store
    size: int
    look: Callable[[Float[Tensor, "B C H W"]], Maps]
    shifts: Maps
    scales: Maps

    @classmethod
    def by(
        cls,
        look: Callable[[Float[Tensor, "B C H W"]], Maps],
        store: Store,
        *,
        size: int,
        reference: Int[np.ndarray, "r"],
        device: torch.device,
    ) -> Seen:
        """Levels standardised by the mean and deviation of each channel on `reference` rows (labels unread)."""
        bare = cls(store, size, look, [], [])
        with torch.no_grad():
            sums: list[list[Tensor]] = []
            for some in torch.split(torch.as_tensor(reference, dtype=torch.long), ROWS):
                maps = bare.raw(bare.images(some, device))
                sums.append([torch.stack([m.mean((0, 2, 3)), m.square().mean((0, 2, 3))]) * (len(some) / len(reference)) for m in maps])
            moments = [torch.stack(level).sum(0) for level in zip(*sums, strict=True)]
        shifts = [moment[0].reshape(1, -1, 1, 1) for moment in moments]
        spreads = [(moment[1] - moment[0].square()).clamp(min=0).sqrt() for moment in moments]
        scales = [torch.where(s > 1e-6 * s.max().clamp(min=1e-6), s, 1.0).reshape(1, -1, 1, 1) for s in spreads]
        return cls(store, size, look, shifts, scales)

    def images(self, rows: Int[Tensor, "B"], device: torch.device) -> Float[Tensor, "B C S S"]:
        """Whole pictures of some rows."""
        return plain(self.store.batch(rows)["image"].to(device), self.size)

    def raw(self, images: Float[Tensor, "B C S S"]) -> Maps:
        """Levels as they come, in fp32."""
        return [level.float() for level in self.look(images)]

    def maps(self, images: Float[Tensor, "B C S S"]) -> Maps:
        """Standardised levels."""
        return [(level - shift) / scale for level, shift, scale in zip(self.raw(images), self.shifts, self.scales, strict=True)]


@dataclass(frozen=True)
class Kept:
    """Levels of some rows, computed once and held in half precision."""

    rows: Int[np.ndarray, "n"]
    levels: Maps

    @classmethod
    def of(cls, seen: Seen, rows: Int[np.ndarray, "n"], device: torch.device) -> Kept:
        """The levels of `rows`, which are in order."""
        parts: list[Maps] = []
        with torch.no_grad():
            for some in torch.split(torch.as_tensor(rows, dtype=torch.long), ROWS):
                parts.append([level.half().cpu() for level in seen.maps(seen.images(some, device))])
        return cls(rows, [torch.cat(level) for level in zip(*parts, strict=True)])

    def take(self, rows: Int[np.ndarray, "B"], device: torch.device) -> Maps:
        """The levels of some rows, in their order, in fp32."""
        places = torch.as_tensor(np.searchsorted(self.rows, rows), dtype=torch.long)
        return [level.index_select(0, places).to(device).float() for level in self.levels]


def bytes_of(levels: Sequence[Tensor]) -> int:
    """Bytes that one picture takes in `Kept`."""
    return sum(2 * level[0].numel() for level in levels)
