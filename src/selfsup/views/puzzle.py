"""Puzzle pieces: a grid of small patches cut out of a picture, evened out so that only what they show tells where they were."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

FAINTEST = 1 / 255
"""Smallest standard deviation that is divided by: one grey level. What varies less is rounding, and would be blown up to a pattern."""


@dataclass(frozen=True)
class Grid:
    """How a picture is cut: `side` x `side` cells of `cell` pixels, in each a patch of `patch` pixels, shifted by up to `shift`.

    What is left of a cell, `gap` = cell - patch - shift, lies between any two neighbours however they are shifted, so that a line
    never simply goes on from one into the other. It starts `start` pixels from the top and the left.
    """

    side: int
    cell: int
    patch: int
    shift: int
    start: int

    @property
    def gap(self) -> int:
        """Fewest pixels between two neighbours."""
        return self.cell - self.patch - self.shift


def grid_of(size: int, *, side: int, gap: float, shift: float) -> Grid:
    """The grid for pictures of `size` pixels; `gap` and `shift` are shares of a cell, at least a pixel each unless 0.

    Raises ValueError for shares that leave no patch, and for pictures too small to be cut.
    """
    if gap < 0 or shift < 0 or gap + shift >= 1:
        raise ValueError(f"gap={gap} and shift={shift} are shares of a cell that leave room for a patch: 0 or more, together below 1.")
    cell = size // side
    between, moved = (max(1, round(share * cell)) if share else 0 for share in (gap, shift))
    patch = cell - between - moved
    if patch < 2:
        raise ValueError(
            f"a picture of {size} px cut into {side} x {side} cells leaves patches of {max(patch, 0)} px, and 2 are the least: "
            f"take --size {side * (2 + between + moved)} or more, or a smaller gap and shift."
        )
    return Grid(side, cell, patch, moved, start=(size - side * cell + between) // 2)


def cut_patches(image: Float[Tensor, "B C S S"], grid: Grid, rng: torch.Generator) -> Float[Tensor, "B P C s s"]:
    """Cut a grid of patches out of each picture, row by row from the top left, each shifted inside its cell by a draw of its own."""
    rows, count = len(image), grid.side**2
    shifts = torch.randint(grid.shift + 1, (2, rows, count), generator=rng, device=rng.device)
    corners = grid.start + grid.cell * torch.arange(grid.side, device=rng.device)
    top = corners.repeat_interleave(grid.side) + shifts[0]
    left = corners.repeat(grid.side) + shifts[1]
    windows = image.unfold(2, grid.patch, 1).unfold(3, grid.patch, 1)  # (B, C, places, places, s, s)
    return windows[torch.arange(rows, device=rng.device)[:, None], :, top, left]


def standardise(patches: Float[Tensor, "*P C s s"]) -> Float[Tensor, "*P C s s"]:
    """Zero mean and unit variance for every channel of every patch.

    Brightness, contrast and tint would give away where a patch was (vignetting, a bright sky), as would lenses that focus colours
    differently towards the edges: Noroozi, Favaro, ECCV 2016, arXiv 1603.09246, section 4.2.
    """
    deviation = patches - patches.mean(dim=(-2, -1), keepdim=True)
    return deviation / deviation.square().mean(dim=(-2, -1), keepdim=True).sqrt().clamp(min=FAINTEST)


def board(patches: Float[Tensor, "B P C s s"]) -> Float[Tensor, "B C h h"]:
    """The patches laid out as a square for people to look at, one pixel of mid-grey between them."""
    rows, count, channels, patch, _ = patches.shape
    side = round(count**0.5)
    framed = torch.full((rows, side, side, channels, patch + 1, patch + 1), 0.5, device=patches.device)
    framed[..., :patch, :patch] = patches.reshape(rows, side, side, channels, patch, patch)
    return framed.permute(0, 3, 1, 4, 2, 5).reshape(rows, channels, side * (patch + 1), -1)[..., :-1, :-1]


def taken_patches(patches: Shaped[Tensor, "B P C s s"], places: Shaped[Tensor, "B K"]) -> Shaped[Tensor, "B K C s s"]:
    """Some of each picture's patches, in the order of `places`."""
    return patches.gather(1, places[:, :, None, None, None].expand(-1, -1, *patches.shape[2:]))
