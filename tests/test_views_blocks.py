"""Blocks of patches: rectangles of the area asked for, all over the grid alike."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from selfsup.views import block_patches, blocks, random_patches
from small_tasks import rng


def grid(places: Tensor, side: int) -> Tensor:
    """True where a patch is listed, (rows, side, side)."""
    return torch.zeros(len(places), side**2, dtype=torch.bool).scatter(1, places, True).view(-1, side, side)


def sides(mask: Tensor) -> tuple[int, int]:
    """Height and width of the smallest box around what is True."""
    return int(mask.any(1).sum()), int(mask.any(0).sum())


def test_blocks_are_filled_rectangles_of_the_area_and_aspect_asked_for() -> None:
    masks = blocks((300,), side=14, area=(0.15, 0.2), aspect=(0.75, 1.5), rng=rng()).view(-1, 14, 14)
    found = [sides(mask) for mask in masks]
    assert [height * width for height, width in found] == masks.sum(dim=(1, 2)).tolist()
    for height, width in found:  # each side was rounded by at most half a patch
        assert (height - 0.5) * (width - 0.5) <= 0.2 * 196
        assert (height + 0.5) * (width + 0.5) >= 0.15 * 196
        assert (height + 0.5) / (width - 0.5) >= 0.75
        assert (height - 0.5) / (width + 0.5) <= 1.5
    assert len(set(found)) > 6, "sizes and shapes differ between pictures"


def mirrored(rate: Tensor) -> float:
    """The largest difference of the rate with which patches are chosen and the same seen in a mirror: upside down, or left for right."""
    return max(float((rate - rate.flip(axis)).abs().max()) for axis in (0, 1))


@pytest.mark.parametrize(("side", "hidden", "count"), [(8, 0.6, 38), (4, 0.6, 10), (2, 0.99, 3), (14, 120 / 196, 120), (7, 0.01, 1)])
def test_blocks_hide_the_share_asked_for(side: int, hidden: float, count: int) -> None:
    kept, covered = block_patches(100, side, hidden=hidden, rng=rng())
    assert covered.shape == (100, count)
    assert torch.equal(torch.cat([kept, covered], dim=1).sort(dim=1).values, torch.arange(side**2).expand(100, -1))
    assert (kept.diff(dim=1) > 0).all()
    assert (covered.diff(dim=1) > 0).all()
    assert len({tuple(row) for row in covered.tolist()}) > 1


def edges(mask: Tensor) -> float:
    """Share of neighbouring patches of which one is hidden and the other is not."""
    return float(torch.cat([(mask.diff(dim=1) != 0).flatten(), (mask.diff(dim=2) != 0).flatten()]).float().mean())


def test_what_is_hidden_in_blocks_lies_together_and_all_over_the_picture() -> None:
    hidden = grid(block_patches(10_000, 8, hidden=0.6, rng=rng())[1], 8).float()
    scattered = grid(random_patches(1000, 64, hidden=0.6, rng=rng())[1], 8).float()
    assert edges(scattered) == pytest.approx(2 * 38 / 64 * 26 / 63, abs=0.01)
    assert edges(hidden) < 0.5 * edges(scattered)
    assert mirrored(hidden.mean(dim=0)) < 0.04
    assert hidden.mean(dim=0).min() > 0.15


@pytest.mark.parametrize(("side", "hidden"), [(8, 0.0), (8, 1.0), (1, 0.5)])
def test_nothing_or_everything_cannot_be_hidden_in_blocks(side: int, hidden: float) -> None:
    with pytest.raises(ValueError, match="share"):
        block_patches(2, side, hidden=hidden, rng=rng())
