"""Aligning pictures: whether one is another, but for a crop, and how far they differ then.

The four numbers of a crop (two scales, two shifts) and a change of contrast and brightness are found by Gauss-Newton steps on the squared
difference, many pairs at once (Lucas and Kanade, IJCAI 1981; Baker and Matthews, IJCV 56, 2004, section 2, for warps of several numbers).
Where the pictures overlap, the difference is judged block by block: a copy that was scaled or compressed differs a little everywhere,
another picture of the same kind differs much somewhere. What compression changes is fine: a smoothed difference tells the two apart better.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

STEPS = 8
"""Gauss-Newton steps: from no crop at all, five reach a crop of 5 % to a hundredth of a pixel."""

MOST_CROPPED = 0.15
"""Share of a side that may be missing."""

BLOCKS = 4
"""Blocks along a side in which differences are judged, and as many again between them."""

EDGE = 1
"""Pixels along a border that are not looked at: smoothing, sizing and compressing end differently where a picture ends."""

FLAT = 0.02
"""Contrast, in shares of the range from black to white, below which a picture's is not relied on: noise of compression is as large."""


@dataclass(frozen=True)
class Aligned:
    """P pairs aligned. `scale` (P, 2) is how much of the first picture's width and height the second shows, `shift` (P, 2) the place of
    its middle, in half sides from the middle of the first. `alike` is the correlation where they overlap; `worst` the largest difference
    in any block, in units of the pair's contrast.
    """

    scale: Float[Tensor, "P 2"]
    shift: Float[Tensor, "P 2"]
    alike: Float[Tensor, "P"]
    worst: Float[Tensor, "P"]

    def some(self, places: Int[Tensor, "p"]) -> Aligned:
        """What was found of some of the pairs."""
        return Aligned(self.scale[places], self.shift[places], self.alike[places], self.worst[places])


def align(
    first: Float[Tensor, "P C S S"],
    second: Float[Tensor, "P C S S"],
    *,
    steps: int = STEPS,
    smoothed: int = 0,
    start: Aligned | None = None,
) -> Aligned:
    """Find the crop that makes each second picture of its first one, in either direction, and what difference is left.

    The crop is found in grey, the difference judged in colour. `smoothed` is how many times the difference is smoothed before;
    `start` is what smaller pictures of the same pairs gave.
    """
    pairs, _, side, _ = first.shape
    grey, other = first.mean(1, keepdim=True), second.mean(1, keepdim=True)
    axis = (torch.arange(side) * 2 + 1) / side - 1
    across, down = axis.expand(side, side), axis[:, None].expand(side, side)
    warp = torch.tensor([1.0, 1.0, 0.0, 0.0]).repeat(pairs, 1) if start is None else torch.cat([start.scale, start.shift], 1)
    for _ in range(steps):
        moved, inside = _moved(grey, warp, across, down)
        step = _step(moved, other, inside, across, down)
        warp = _bounded(warp + step * warp[:, [0, 1, 0, 1]])
    moved, inside = _moved(first, warp, across, down)
    return _judged(moved, second, inside, warp, smoothed=smoothed)


def _moved(first: Tensor, warp: Tensor, across: Tensor, down: Tensor) -> tuple[Tensor, Bool[Tensor, "P S S"]]:
    """The first picture as the second would see it, and where that is inside of it."""
    where = torch.stack(
        [across * warp[:, 0, None, None] + warp[:, 2, None, None], down * warp[:, 1, None, None] + warp[:, 3, None, None]], 3
    )
    inside = (where.abs() <= 1 - 2 * EDGE / first.shape[3]).all(3) & _within(first.shape[3])
    return F.grid_sample(first, where, padding_mode="border", align_corners=False), inside


def _within(side: int) -> Bool[Tensor, "S S"]:
    """All pixels but those at a border; all of a picture that is little more than border."""
    within = torch.zeros(side, side, dtype=torch.bool)
    edge = EDGE if side >= 8 * EDGE else 0
    within[edge : side - edge, edge : side - edge] = True
    return within


def _step(moved: Tensor, second: Tensor, inside: Tensor, across: Tensor, down: Tensor) -> Float[Tensor, "P 4"]:
    """The step of scales and shifts that takes `moved` nearest to `second`, with any contrast and brightness."""
    side = moved.shape[3]
    right, below = (gradient * side / 2 for gradient in torch.gradient(moved, dim=(3, 2)))
    columns = torch.stack([right * across, below * down, right, below, moved, torch.ones_like(moved)], 1)  # (P, 6, C, S, S)
    weighted = (columns * inside[:, None, None]).flatten(2)
    left = weighted @ columns.flatten(2).transpose(1, 2)
    # towards no step, by a thousandth of what is there: flat pictures tell no place
    damped = left + 1e-3 * torch.diag_embed(left.diagonal(dim1=1, dim2=2)) + 1e-4 * torch.eye(6)
    found: Tensor = torch.linalg.solve(damped, weighted @ (second - moved).flatten(1)[:, :, None])
    return found[:, :4, 0].clamp(-0.1, 0.1)


def _bounded(warp: Tensor) -> Tensor:
    scale = warp[:, :2].clamp(1 - MOST_CROPPED, 1 / (1 - MOST_CROPPED))
    return torch.cat([scale, warp[:, 2:].clamp(-MOST_CROPPED, MOST_CROPPED)], 1)


def _judged(moved: Tensor, second: Tensor, inside: Tensor, warp: Tensor, *, smoothed: int) -> Aligned:
    """What is left where both are, with contrast and brightness fitted over all of it."""
    weight = inside[:, None].float()
    total = (weight.sum((1, 2, 3)) * moved.shape[1]).clamp(min=1)

    def mean(values: Tensor) -> Tensor:
        return ((values * weight).sum((1, 2, 3)) / total)[:, None, None, None]

    a, b = moved - mean(moved), second - mean(second)
    aa, bb, ab = mean(a * a), mean(b * b), mean(a * b)
    alike = ab / (aa * bb).sqrt().clamp(min=1e-9)
    fitted = b - a * ab / aa.clamp(min=1e-9)
    block = max(1, moved.shape[3] // BLOCKS)
    squares = smooth(fitted * weight, smoothed).square().mean(1, keepdim=True) * weight
    sums, counts = (F.avg_pool2d(each, block, max(1, block // 2)) for each in (squares, weight))
    blocks = torch.where(counts >= 0.5, sums / counts.clamp(min=1e-9), torch.zeros(()))
    contrast = bb.clamp(min=FLAT**2)
    worst = (blocks.amax((1, 2, 3)) / contrast.flatten()).sqrt()
    return Aligned(warp[:, :2], warp[:, 2:], alike.flatten(), worst)


def smooth(pictures: Float[Tensor, "P C S S"], times: int) -> Float[Tensor, "P C S S"]:
    """Blurred by 1 2 1 along rows and columns: what is between pixels is then told well by interpolation, and compression shows less."""
    kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
    channels = pictures.shape[1]
    filters = (kernel[:, None] * kernel).expand(channels, 1, 3, 3).contiguous()
    for _ in range(times):
        pictures = F.conv2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), filters, groups=channels)
    return pictures
