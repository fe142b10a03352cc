"""Multi-crop: views of two sizes, of the parts asked for, drawn alike from the same generator, and from a user's own views."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from selfsup.pretext import Pretext
from selfsup.views import Augment, MultiCrop
from small_tasks import batch, make, rng

PLAIN: dict[str, Any] = {"flip": 0.0, "jitter": 0.0, "grey": 0.0}


def places(rows: int = 6, side: int = 40) -> Tensor:
    """Pictures whose first channel tells a pixel's column and whose second its row, so that a view tells what part it shows."""
    ramp = torch.linspace(0, 1, side)
    return torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side), torch.zeros(side, side)]).expand(rows, 3, side, side)


def shares(views: Tensor) -> Tensor:
    """The share of the picture's area that each view shows, (rows, crops), from its first and last columns and rows."""
    width = views[..., 0, 0, -1] - views[..., 0, 0, 0]
    height = views[..., 1, -1, 0] - views[..., 1, 0, 0]
    step = 1 - 1 / views.shape[-1]  # from the middle of the first pixel to that of the last
    return (width / step) * (height / step)


def around(**more: int) -> MultiCrop:
    return MultiCrop.around(Augment(size=32, crop=(0.5, 1.0), **PLAIN), side=16, crop=(0.1, 0.3), **more)


def test_views_have_the_sizes_and_show_the_parts_asked_for() -> None:
    views = around(global_views=2, local_views=50)(places(20), rng())
    assert views["global"].shape == (20, 2, 3, 32, 32)
    assert views["local"].shape == (20, 50, 3, 16, 16)
    wide, near = shares(views["global"]), shares(views["local"])
    assert wide.min() > 0.44
    assert near.max() < 0.34
    assert near.min() > 0.07
    assert near.mean() == pytest.approx(0.2, abs=0.02)
    assert not torch.equal(views["global"][:, 0], views["global"][:, 1])
    assert not torch.equal(views["local"][:, 0], views["local"][:, 1])


def test_the_same_generator_gives_the_same_views_and_rows_stay_together() -> None:
    pictures = torch.rand(6, 3, 40, 40, generator=rng(1))
    one, two = around()(pictures, rng(3)), around()(pictures, rng(3))
    assert all(torch.equal(one[name], two[name]) for name in one)
    means = torch.arange(6)[:, None, None, None] / 10 + torch.zeros(6, 3, 40, 40)
    views = around()(means, rng(3))
    for view in views.values():
        torch.testing.assert_close(view.mean((2, 3, 4)), (torch.arange(6) / 10)[:, None].expand(view.shape[:2]))


def test_without_local_views_there_are_none() -> None:
    assert set(around(local_views=0)(places(), rng())) == {"global"}


@pytest.mark.parametrize("counts", [(0, 4), (1, 0), (2, -1)])
def test_too_few_views_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="two in all"):
        around(global_views=counts[0], local_views=counts[1])


def test_a_users_own_views_take_the_place_of_both() -> None:
    """The user's function shows the left upper quarter: every view has to lie in it."""
    task: Pretext = make("simclr", size=20)
    task.own_views = lambda image, rng: torch.nn.functional.interpolate(image[..., :10, :10].float() / 255, size=(20, 20))
    multicrop = MultiCrop.around(Augment(size=20), side=10, crop=(0.1, 0.5))
    image = batch()["image"].clone()
    image[..., 10:, :] = image[..., :, 10:] = 0
    image[..., :10, :10].clamp_(min=100)
    views = task.crops({"image": image}, rng(), multicrop)
    assert views["global"].shape == (6, 2, 3, 20, 20)
    assert views["local"].shape == (6, 4, 3, 10, 10)
    for view in views.values():
        assert view.min() > 0.38
        assert view.max() <= 1
    assert not torch.equal(views["local"][:, 0], views["local"][:, 1])
    again = task.crops({"image": image}, rng(), multicrop)
    assert all(torch.equal(views[name], again[name]) for name in views)
