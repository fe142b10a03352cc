"""Blocks of patches: rectangles of the area asked for, all over the grid alike, and contexts that hold nothing of their targets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from selfsup.views import block_patches, blocks, context_and_targets, largest_block, random_patches
from small_tasks import rng

PAPER: dict[str, Any] = {"targets": 4, "area": (0.15, 0.2), "aspect": (0.75, 1.5), "context": (0.85, 1.0), "share": 0.25}


def drawn(rows: int, side: int, seed: int = 0, **changed: Any) -> dict[str, Tensor]:
    return context_and_targets(rows, side, **{**PAPER, **changed}, rng=rng(seed))


def grid(places: Tensor, side: int, real: Tensor | None = None) -> Tensor:
    """True where a patch is listed, (rows, side, side)."""
    mask = torch.zeros(len(places), side**2).scatter_add(1, places, torch.ones(places.shape) if real is None else real.float())
    return (mask > 0).view(-1, side, side)


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


@pytest.mark.parametrize("side", [1, 2, 4, 7, 8, 14, 24])
def test_no_block_is_larger_than_the_largest(side: int) -> None:
    most = largest_block(side, area=0.2, aspect=(0.75, 1.5))
    counts = blocks((20000,), side=side, area=(0.15, 0.2), aspect=(0.75, 1.5), rng=rng()).sum(dim=1)
    assert counts.min() >= 1
    assert counts.max() <= most <= 1.3 * counts.max() + 1


@pytest.mark.parametrize("side", [2, 3, 4, 6, 7, 8, 14])
def test_small_grids_end_and_have_something_to_see_and_to_predict(side: int) -> None:
    views = drawn(200, side)
    assert views["context"].shape == (200, max(1, round(side**2 / 4)))
    assert (views["context"].diff(dim=1) > 0).all()
    assert (views["real"].sum(dim=2) >= 1).all()
    assert views["targets"].shape == views["real"].shape == (200, 4, largest_block(side, area=0.2, aspect=(0.75, 1.5)))


@pytest.mark.parametrize(("side", "share"), [(4, 0.25), (8, 0.25), (8, 0.6), (14, 0.4)])
def test_a_context_holds_nothing_of_any_target(side: int, share: float) -> None:
    views = drawn(300, side, share=share)
    asked = grid(views["targets"].flatten(1), side)  # those that are not real as well
    assert not (asked & grid(views["context"], side)).any()
    for targets, real in zip(views["targets"].unbind(1), views["real"].unbind(1), strict=True):
        for mask in grid(targets, side, real)[:50]:
            height, width = sides(mask)
            assert height * width == mask.sum(), "every target is a whole block"
        assert (targets == targets[:, :1])[~real].all(), "smaller blocks repeat their first patch"


def test_every_picture_has_blocks_of_its_own() -> None:
    views = drawn(64, 8)
    assert len({tuple(row) for row in views["targets"].flatten(1).tolist()}) == 64
    assert len({tuple(row) for row in views["context"].tolist()}) == 64
    assert len({int(count) for count in views["real"].sum(dim=2).flatten()}) > 2
    first, again, other = drawn(8, 8), drawn(8, 8), drawn(8, 8, seed=1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["targets"], other["targets"])


def mirrored(rate: Tensor) -> float:
    """The largest difference of the rate with which patches are chosen and the same seen in a mirror: upside down, or left for right."""
    return max(float((rate - rate.flip(axis)).abs().max()) for axis in (0, 1))


@pytest.mark.parametrize("side", [7, 8])
def test_blocks_prefer_no_side_of_the_picture(side: int) -> None:
    """Contexts cut to a common length in raster order would lose their bottom rows. Rates of 10,000 pictures, 8 standard errors."""
    views = drawn(10_000, side)
    context = grid(views["context"], side).float().mean(dim=0)
    targets = grid(views["targets"].flatten(1), side, views["real"].flatten(1)).float().mean(dim=0)
    assert mirrored(context) < 0.04
    assert mirrored(targets) < 0.04
    assert context.min() > 0.1, "no patch is left out"
    assert targets.min() > 0.1
    assert float((context - context.T).abs().max()) < 0.04


def test_a_context_in_raster_order_would_be_found_out() -> None:
    """The test before this one can fail."""
    left = ~blocks((10_000,), side=8, area=(0.15, 0.2), aspect=(0.75, 1.5), rng=rng())
    raster = (~left).byte().argsort(dim=1, stable=True)[:, :16]
    assert mirrored(grid(raster, 8).float().mean(dim=0)) > 0.5


def test_where_four_blocks_leave_too_little_they_lie_on_one_another() -> None:
    views = drawn(200, 8, share=0.7)
    together = (views["targets"] == views["targets"][:, :1]).all(dim=(1, 2))
    assert together.float().mean() > 0.9
    assert views["context"].shape == (200, round(0.7 * 64))


def test_a_grid_too_small_for_context_and_targets() -> None:
    with pytest.raises(ValueError, match="a grid of 1x1 patches is more than target blocks of up to 1 patches leave"):
        drawn(2, 1)
    with pytest.raises(ValueError, match="90% of a grid of 8x8"):
        drawn(2, 8, share=0.9)


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
