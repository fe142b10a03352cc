"""Which patches are hidden, and what is painted over."""

from __future__ import annotations

import pytest
import torch

from selfsup.views import paint, patch_mask, random_patches


@pytest.mark.parametrize(("patches", "hidden", "count"), [(64, 0.75, 48), (16, 0.6, 10), (4, 0.99, 3), (4, 0.01, 1)])
def test_each_row_hides_the_same_number_of_other_patches(patches: int, hidden: float, count: int) -> None:
    kept, covered = random_patches(50, patches, hidden=hidden, rng=torch.Generator().manual_seed(0))
    assert covered.shape == (50, count)
    assert kept.shape == (50, patches - count)
    assert torch.equal(torch.cat([kept, covered], dim=1).sort(dim=1).values, torch.arange(patches).expand(50, -1))
    assert (kept.diff(dim=1) > 0).all()
    assert (covered.diff(dim=1) > 0).all()
    assert len({tuple(row) for row in covered.tolist()}) > 1


def test_every_patch_is_hidden_equally_often() -> None:
    _, covered = random_patches(4000, 16, hidden=0.75, rng=torch.Generator().manual_seed(0))
    rate = torch.bincount(covered.flatten(), minlength=16) / 4000
    assert (rate - 0.75).abs().max() < 0.03  # more than four standard errors


def test_equal_states_give_equal_patches() -> None:
    first, second = (random_patches(5, 9, hidden=0.5, rng=torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(("patches", "hidden"), [(16, 0.0), (16, 1.0), (1, 0.5)])
def test_nothing_or_everything_cannot_be_hidden(patches: int, hidden: float) -> None:
    with pytest.raises(ValueError, match="share"):
        random_patches(2, patches, hidden=hidden, rng=torch.Generator())


def test_patches_are_counted_row_by_row_from_the_top_left() -> None:
    mask = patch_mask(torch.tensor([[0], [5]]), shape=(4, 6), patch=2)
    expected = torch.zeros(2, 1, 4, 6, dtype=torch.bool)
    expected[0, 0, :2, :2] = True
    expected[1, 0, 2:, 4:] = True
    assert torch.equal(mask, expected)
    # A patch that the edge cuts off: 5 x 5 pixels hold 3 x 3 patches of two pixels.
    assert patch_mask(torch.tensor([[8]]), shape=(5, 5), patch=2).nonzero().tolist() == [[0, 0, 4, 4]]


def test_paint_covers_the_patches_and_nothing_else() -> None:
    image = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    before = image.clone()
    painted = paint(image, torch.tensor([[0], [5]]), patch=2, value=0.5)
    assert torch.equal(image, before)
    assert (painted[0, :, :2, :2] == 0.5).all()
    assert (painted[1, :, 2:, 4:] == 0.5).all()
    assert int((painted != image).sum()) == 2 * 3 * 4
