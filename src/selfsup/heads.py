"""Heads that two tasks or more share. Heads are thrown away after pretraining."""

from __future__ import annotations

import math
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def projector(width: int, hidden: int, out: int, *, layers: int = 2, normalise_last: bool = False) -> nn.Sequential:
    """A multi-layer perceptron `(B, width) -> (B, out)` with BatchNorm and ReLU between layers, as joint-embedding methods use it.

    Linear layers before a BatchNorm have no bias: the norm takes it away again. Ends in a BatchNorm without scale or shift if
    `normalise_last` (SimCLR's code, Barlow Twins, MoCo v3).
    """
    widths = [width, *[hidden] * (layers - 1), out]
    blocks: list[nn.Module] = []
    for start, end in pairwise(widths[:-1]):
        blocks += [nn.Linear(start, end, bias=False), nn.BatchNorm1d(end), nn.ReLU(inplace=True)]
    blocks.append(nn.Linear(widths[-2], out, bias=not normalise_last))
    if normalise_last:
        blocks.append(nn.BatchNorm1d(out, affine=False))
    return nn.Sequential(*blocks)


class PixelDecoder(nn.Module):
    """Rebuilds a picture from the backbone's last map: `(B, D, h, w) -> (B, channels, size, size)`.

    Doubles the side with nearest-neighbour upsampling and a 3x3 convolution until the picture's size is reached, so that no
    checkerboard appears (Odena, Dumoulin, Olah, Distill 2016). Channels halve with each doubling, down to `width`.
    """

    def __init__(self, depth: int, stride: int, *, size: int, channels: int, width: int) -> None:
        super().__init__()
        doublings = max(1, round(math.log2(stride)))
        self.sides = [math.ceil(size / 2**step) for step in reversed(range(doublings))]
        widths = [depth, *[max(width, min(depth, width * 2**step)) for step in reversed(range(doublings))]]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(start, end, 3, padding=1, bias=False), nn.BatchNorm2d(end), nn.ReLU(inplace=True))
            for start, end in pairwise(widths)
        )
        self.paint = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, grid: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C s s"]:
        for side, block in zip(self.sides, self.blocks, strict=True):
            grid = F.interpolate(block(grid), size=(side, side))
        image: Tensor = self.paint(grid)
        return image
