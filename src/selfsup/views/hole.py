"""Holes in pictures: where a context encoder has to fill in. Pathak et al., CVPR 2016, arXiv 1604.07379, section 3.3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor

CELLS = 8
"""Cells of noise along a picture's side: the authors' scale of .06 makes one cell a pixel of 16.7, 7.7 of them along 128 px."""

MEASURED = 64
"""Along this many pixels a side, at least, it is measured how much a threshold hides; sorting every pixel would cost more than the rest."""


def blob_holes(rows: int, size: int, *, share: tuple[float, float], rng: torch.Generator) -> Bool[Tensor, "B 1 S S"]:
    """True in random blobs that cover a share of each picture, drawn evenly from the range `share`, for each picture anew.

    Uniform noise on a coarse grid is enlarged smoothly, and its lowest part is the hole. The authors threshold at a fixed .25 and draw
    again until 20 to 30 % are covered; here the threshold follows from the share, so that one drawing is enough. Above 64 px the share
    is met to about one per cent of the picture. Raises ValueError for a range that is not within 0 and 1.
    """
    low, high = share
    if not 0 < low <= high < 1:
        raise ValueError(f"holes cover a share between 0 and 1 of a picture, the smaller end of the range first; not {share}.")
    noise = torch.rand(rows, 1, CELLS, CELLS, generator=rng, device=rng.device)
    field = F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)
    covered = low + (high - low) * torch.rand(rows, generator=rng, device=rng.device)
    step = max(1, size // MEASURED)
    values = field[:, 0, ::step, ::step].flatten(1).sort(dim=1).values
    place = (covered * values.shape[1]).round().long().clamp(1, values.shape[1] - 1)
    return field < values.gather(1, place[:, None])[:, :, None, None]


def centre_holes(rows: int, size: int, *, overlap: int, device: torch.device) -> Bool[Tensor, "B 1 S S"]:
    """True in the middle of each picture: a square of half its side, less `overlap` px all around."""
    start, end = size // 4 + overlap, size // 4 + size // 2 - overlap
    if end <= start:
        raise ValueError(f"an overlap of {overlap} px leaves no hole in the middle of pictures of {size} px: take less.")
    hole = torch.zeros(rows, 1, size, size, dtype=torch.bool, device=device)
    hole[:, :, start:end, start:end] = True
    return hole


def rim(hole: Bool[Tensor, "B 1 H W"], reach: int) -> Bool[Tensor, "B 1 H W"]:
    """True at the visible pixels within `reach` px of the hole, across, down or diagonally."""
    if reach == 0:
        return torch.zeros_like(hole)
    near = F.max_pool2d(hole.float(), 2 * reach + 1, stride=1, padding=reach) > 0
    return near & ~hole
