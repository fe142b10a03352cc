"""Hiding parts of pictures: which patches, and painting over them."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def random_patches(rows: int, patches: int, *, hidden: float, rng: torch.Generator) -> tuple[Int[Tensor, "B K"], Int[Tensor, "B M"]]:
    """Choose which of a picture's patches are kept and which are hidden, for each picture anew.

    `hidden` is a share; the number of hidden patches, round(hidden x patches), is the same in each row, and at least one is kept and one
    hidden. Returns the indices of kept and of hidden patches, ascending, counted row by row from the top left.
    """
    if not 0 < hidden < 1 or patches < 2:
        raise ValueError(f"cannot hide a share of {hidden} of {patches} patches: the share lies between 0 and 1, of at least 2 patches.")
    count = min(max(1, round(hidden * patches)), patches - 1)
    order = torch.rand(rows, patches, generator=rng, device=rng.device).argsort(dim=1)
    return order[:, count:].sort(dim=1).values, order[:, :count].sort(dim=1).values


def patch_mask(hidden: Int[Tensor, "B M"], *, shape: tuple[int, int], patch: int) -> Bool[Tensor, "B 1 H W"]:
    """True where a pixel of a (height, width) picture lies in one of the listed patches; patches at the far edges may be cut off."""
    height, width = shape
    down, across = -(-height // patch), -(-width // patch)
    mask = torch.zeros(len(hidden), down * across, dtype=torch.bool, device=hidden.device).scatter_(1, hidden, True)
    mask = mask.view(-1, 1, down, across).repeat_interleave(patch, dim=2).repeat_interleave(patch, dim=3)
    return mask[:, :, :height, :width]


def paint(image: Float[Tensor, "B C H W"], hidden: Int[Tensor, "B M"], *, patch: int, value: float = 0.0) -> Float[Tensor, "B C H W"]:
    """Cover the listed patches of `patch` x `patch` pixels with one value."""
    return image.masked_fill(patch_mask(hidden, shape=(image.shape[2], image.shape[3]), patch=patch), value)
