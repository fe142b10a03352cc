"""Hiding blocks of neighbouring patches, so that what is hidden cannot be told from what stands beside it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

LEAST = 16 / 196
"""The smallest share of a grid that a block covers: 16 of 196 patches in BEiT's algorithm 1."""

ASPECT = (0.3, 1 / 0.3)
"""Height by width of such a block, from and to."""

TRIES = 4
"""How often the blocks of a picture are drawn before such are taken that lie on one another. With the paper's sizes, the first try leaves
a quarter of a grid of 7x7 or more in 98 pictures of 100."""

LAID = 16
"""How many blocks are laid over a picture, one after the other, until enough is hidden: three or four do on average."""


def blocks(
    shape: tuple[int, ...], *, side: int, area: tuple[float, float], aspect: tuple[float, float], rng: torch.Generator
) -> Bool[Tensor, "*shape T"]:
    """Random rectangles on a grid of `side` x `side` patches: True for the patches of each, row by row.

    `area` is a range of shares of the grid, drawn evenly, `aspect` one of height by width, drawn evenly by its logarithm. Both are drawn
    for each rectangle by itself, and so is its place, among all where it fits.
    """
    share, shape_of, down, across = torch.rand(4, *shape, 1, generator=rng, device=rng.device)
    patches = side**2 * (area[0] + (area[1] - area[0]) * share)
    ratio = aspect[0] * (aspect[1] / aspect[0]) ** shape_of
    height = (patches * ratio).sqrt().round().clamp(1, side)
    width = (patches / ratio).sqrt().round().clamp(1, side)
    top, left = (down * (side - height + 1)).floor(), (across * (side - width + 1)).floor()
    row, column = _places(side, rng.device)
    inside: Tensor = (row >= top) & (row < top + height) & (column >= left) & (column < left + width)
    return inside


def largest_block(side: int, *, area: float, aspect: tuple[float, float]) -> int:
    """No rectangle that `blocks` draws has more patches: each side was rounded, so it is at most half a patch longer than drawn."""
    sides = max(math.sqrt(ratio) + math.sqrt(1 / ratio) for ratio in aspect) * math.sqrt(area) * side
    return min(side**2, max(1, math.floor(area * side**2 + sides / 2 + 0.25)))


def context_and_targets(
    rows: int,
    side: int,
    *,
    targets: int,
    area: tuple[float, float],
    aspect: tuple[float, float],
    context: tuple[float, float],
    share: float,
    rng: torch.Generator,
) -> dict[str, Tensor]:
    """For each picture some target blocks, and of one large block what they leave: the context. Assran et al., arXiv 2301.08243, section 3.

    `targets` blocks with `area` and `aspect` as in `blocks`, which may overlap; the context is a square block with `context` of the area,
    without any patch of a target. A picture's blocks are drawn anew until `share` of the grid is left, at most so often; at last its
    targets lie all on one another. Of what is left a context keeps the patches nearest to a random point, so that all have as many and
    no part of the picture is preferred.

    Returns which patches: `context` (B, K) ascending, `targets` (B, N, T), and where the latter are `real` (B, N, T): smaller blocks than
    the largest one repeat their first patch. Raises ValueError where the grid is too small to leave so much.
    """
    most, count = largest_block(side, area=area[1], aspect=aspect), max(1, round(share * side**2))
    if count > side**2 - most:
        raise ValueError(
            f"a context of {share:.0%} of a grid of {side}x{side} patches is more than target blocks of up to {most} patches leave: "
            "take smaller ones, or larger pictures."
        )
    asked = blocks((rows, TRIES + 1, targets), side=side, area=area, aspect=aspect, rng=rng)
    around = blocks((rows, TRIES + 1), side=side, area=context, aspect=(1.0, 1.0), rng=rng)
    asked[:, -1], around[:, -1] = asked[:, -1, :1], True
    left = around & ~asked.any(dim=2)
    chosen = (left.sum(dim=2) >= count).int().argmax(dim=1)  # the first that leaves enough: the last one always does
    left = left.gather(1, chosen[:, None, None].expand(-1, 1, side**2)).squeeze(1)
    asked = asked.gather(1, chosen[:, None, None, None].expand(-1, 1, targets, side**2)).squeeze(1)
    kept = (nearness(rows, side, rng) + ~left).argsort(dim=1)[:, :count].sort(dim=1).values
    places = (~asked).byte().argsort(dim=2, stable=True)[:, :, :most]
    real = asked.gather(2, places)
    return {"context": kept, "targets": torch.where(real, places, places[:, :, :1]), "real": real}


def block_patches(rows: int, side: int, *, hidden: float, rng: torch.Generator) -> tuple[Int[Tensor, "B K"], Int[Tensor, "B M"]]:
    """Choose which patches are kept and which are hidden, as `random_patches` does, but in blocks. Bao et al., BEiT, arXiv 2106.08254.

    Blocks of `LEAST` to `hidden` of the grid are laid over one another until the share `hidden` is covered; of the last one, only as
    much as is missing. So all pictures have as many hidden.
    """
    if not 0 < hidden < 1 or side < 2:
        raise ValueError(f"cannot hide a share of {hidden} of {side}x{side} patches: the share lies between 0 and 1, of at least 2x2.")
    count = min(max(1, round(hidden * side**2)), side**2 - 1)
    laid = blocks((rows, LAID), side=side, area=(min(LEAST, hidden), hidden), aspect=ASPECT, rng=rng)
    first = torch.where(laid.any(dim=1), laid.int().argmax(dim=1), LAID)
    order = (first + nearness(rows, side, rng)).argsort(dim=1)
    return order[:, count:].sort(dim=1).values, order[:, :count].sort(dim=1).values


def nearness(rows: int, side: int, rng: torch.Generator) -> Float[Tensor, "B T"]:
    """How far each patch lies from a random point of its picture, in [0, 1)."""
    y, x = torch.rand(2, rows, 1, generator=rng, device=rng.device) * side
    row, column = _places(side, rng.device)
    far: Tensor = ((row + 0.5 - y).square() + (column + 0.5 - x).square()).sqrt() / (2 * side)
    return far


def _places(side: int, device: torch.device) -> tuple[Int[Tensor, " T"], Int[Tensor, " T"]]:
    """Row and column of each patch."""
    place = torch.arange(side**2, device=device)
    return place // side, place % side
