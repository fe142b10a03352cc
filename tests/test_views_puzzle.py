"""Cutting pictures into patches, against pixels that say where they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from selfsup.views import Grid, board, cut_patches, grid_of, standardise, taken_patches


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def places(size: int, grid: Grid, rows: int = 200) -> tuple[Tensor, Tensor]:
    """Left and top pixel of every patch of `rows` pictures, (rows, side, side) each, read from pixels that hold their place."""
    line = torch.arange(float(size))
    image = torch.stack([line.expand(size, size), line[:, None].expand(size, size)]).expand(rows, 2, size, size)
    patches = cut_patches(image, grid, rng())
    side, patch = grid.side, grid.patch
    assert patches.shape == (rows, side**2, 2, patch, patch)
    corner = patches[..., 0, 0]
    expected = corner[..., None, None] + torch.stack([line[:patch].expand(patch, patch), line[:patch, None].expand(patch, patch)])
    assert torch.equal(patches, expected)  # whole squares of the picture
    return corner[..., 0].reshape(rows, side, side), corner[..., 1].reshape(rows, side, side)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(28, (9, 6, 2, 1)), (32, (10, 7, 2, 1)), (64, (21, 15, 4, 2)), (128, (42, 30, 8, 4))],
)
def test_cells_are_patch_shift_and_gap(size: int, expected: tuple[int, int, int, int]) -> None:
    grid = grid_of(size, side=3, gap=0.1, shift=0.2)
    assert (grid.cell, grid.patch, grid.shift, grid.gap) == expected


@pytest.mark.parametrize("size", [16, 28, 32, 64, 100])
def test_patches_move_and_never_touch(size: int) -> None:
    grid = grid_of(size, side=3, gap=0.1, shift=0.2)
    left, top = places(size, grid)
    assert left.min() >= 0
    assert top.min() >= 0
    assert max(left.max(), top.max()) + grid.patch <= size
    between = torch.cat([(left[:, :, 1:] - left[:, :, :-1]).flatten(), (top[:, 1:] - top[:, :-1]).flatten()]) - grid.patch
    assert between.min() == grid.gap >= 1
    assert between.max() == grid.gap + 2 * grid.shift
    for lines in (left, top):  # every patch is at every place of its cell, and not in step with its neighbours
        assert all(len(set(lines[:, row, column].tolist())) == grid.shift + 1 for row in range(3) for column in range(3))
        assert (lines[:, 0, 0] - lines[:, 0, 1]).unique().numel() > 1  # type: ignore[no-untyped-call]
        assert (lines[:, 0, 0] - lines[:, 1, 0]).unique().numel() > 1  # type: ignore[no-untyped-call]


def test_without_gap_and_shift_the_cells_are_cut() -> None:
    image = torch.rand(2, 3, 12, 12, generator=rng())
    patches = cut_patches(image, grid_of(12, side=3, gap=0.0, shift=0.0), rng())
    for n in range(9):
        down, across = divmod(n, 3)
        assert torch.equal(patches[:, n], image[:, :, 4 * down : 4 * down + 4, 4 * across : 4 * across + 4])


def test_grids_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="together below 1"):
        grid_of(32, side=3, gap=0.5, shift=0.5)
    with pytest.raises(ValueError, match="take --size 12 or more"):
        grid_of(9, side=3, gap=0.1, shift=0.2)
    assert grid_of(12, side=3, gap=0.1, shift=0.2).patch == 2


def test_standardised_patches_have_no_mean_and_no_contrast() -> None:
    scale = torch.rand(4, 9, 3, 1, 1, generator=rng(1)) + 0.05
    patches = standardise(torch.rand(4, 9, 3, 6, 6, generator=rng()) * scale + scale)
    torch.testing.assert_close(patches.mean(dim=(-2, -1)), torch.zeros(4, 9, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(patches.std(dim=(-2, -1), unbiased=False), torch.ones(4, 9, 3), atol=1e-5, rtol=0)


def test_standardising_by_hand() -> None:
    """Values 0, 0, 0, 1: mean 1/4, variance 3/16, so -1/sqrt 3 three times and sqrt 3."""
    patch = torch.tensor([[[[0.0, 0.0], [0.0, 1.0]]]])
    expected = torch.tensor([[[[-(3**-0.5), -(3**-0.5)], [-(3**-0.5), 3**0.5]]]])
    torch.testing.assert_close(standardise(patch), expected)


def test_rounding_in_an_even_patch_is_not_blown_up() -> None:
    even = torch.full((1, 1, 6, 6), 0.7)
    assert torch.equal(standardise(even).round(decimals=3), torch.zeros(1, 1, 6, 6))
    assert standardise(even + 1e-4 * torch.rand(1, 1, 6, 6, generator=rng())).abs().max() < 0.05


def test_a_board_has_its_patches_in_rows_with_a_line_between() -> None:
    patches = torch.arange(9.0).reshape(1, 9, 1, 1, 1).expand(1, 9, 3, 2, 2) / 10
    laid = board(patches)
    assert laid.shape == (1, 3, 8, 8)
    rows = [" ".join(f"{value:.1f}" for value in line) for line in laid[0, 0].tolist()]
    assert rows[0] == rows[1] == "0.0 0.0 0.5 0.1 0.1 0.5 0.2 0.2"
    assert rows[2] == " ".join(["0.5"] * 8)
    assert rows[6] == rows[7] == "0.6 0.6 0.5 0.7 0.7 0.5 0.8 0.8"


def test_taken_patches_are_in_the_order_asked_for() -> None:
    patches = torch.rand(2, 4, 3, 5, 5, generator=rng())
    taken = taken_patches(patches, torch.tensor([[3, 0], [1, 1]]))
    assert torch.equal(taken[0, 0], patches[0, 3])
    assert torch.equal(taken[0, 1], patches[0, 0])
    assert torch.equal(taken[1], patches[1, [1, 1]])
