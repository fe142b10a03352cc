"""Boxes, crops, flips and turns, against torchvision's answers, hand-worked lines and exact turns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from selfsup.views import crop, crop_boxes, flip_boxes, plain, quarter_turns, whole_boxes

EXACT = 1e-5  # of a range of 1: rounding of fp32
RATIO = (3 / 4, 4 / 3)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def smooth(rows: int, size: int, seed: int = 0) -> Tensor:
    coarse = torch.rand(rows, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)


def boxes_for(rows: int, shape: tuple[int, int], seed: int = 1) -> Tensor:
    return crop_boxes(rows, shape=shape, area=(0.08, 1.0), ratio=RATIO, rng=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 40, 56), (1, 33, 20), (3, 100, 130)])
@pytest.mark.parametrize("size", [8, 16, 32, 70, 128])
def test_crop_is_torchvisions_antialiased_resized_crop(shape: tuple[int, int, int], size: int) -> None:
    image = noise(6, *shape)
    boxes = boxes_for(6, (shape[1], shape[2]))
    views = crop(image, boxes, size=size)
    for picture, view, (left, top, right, bottom) in zip(image, views, boxes.int().tolist(), strict=True):
        expected = reference.resized_crop(picture.float() / 255, top, left, bottom - top, right - left, [size, size], antialias=True)
        torch.testing.assert_close(view, expected, atol=EXACT, rtol=0)


def test_float_pictures_keep_their_range() -> None:
    image = noise(4, 3, 24, 24)
    boxes = boxes_for(4, (24, 24))
    torch.testing.assert_close(crop(image.float() / 255, boxes, size=16), crop(image, boxes, size=16))


def test_lines_worked_by_hand() -> None:
    line = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 1, 2, 2)
    assert crop(line, whole_boxes(line), size=4)[0, 0, 0].tolist() == pytest.approx([0, 0.25, 0.75, 1])
    line = torch.tensor([0.0, 0.0, 1.0, 1.0]).view(1, 1, 1, 4).expand(1, 1, 4, 4)
    # To two pixels: triangles of half-width 2 around 1 and 3, weights 1, 3, 3, 1 with the one outside dropped.
    assert crop(line, whole_boxes(line), size=2)[0, 0, 0].tolist() == pytest.approx([1 / 7, 6 / 7])


@pytest.mark.parametrize("side", [24, 120])
def test_exchanged_ends_flip(side: int) -> None:
    image, boxes = noise(4, 3, side, side), boxes_for(4, (side, side))
    across, down = torch.tensor([False, True, False, True]), torch.tensor([False, False, True, True])
    views = crop(image, flip_boxes(boxes, across=across, down=down), size=20)
    straight = crop(image, boxes, size=20)
    expected = [straight[0], reference.hflip(straight[1]), reference.vflip(straight[2]), straight[3].flip(1, 2)]
    torch.testing.assert_close(views, torch.stack(expected), atol=EXACT, rtol=0)


@pytest.mark.parametrize("angle", [10.0, 33.0, -45.0, 120.0])
def test_turn_is_torchvisions_rotate(angle: float) -> None:
    image = smooth(2, 41)
    views = crop(image, whole_boxes(image), size=41, turn=torch.tensor([angle, 0.0]))
    expected = reference.rotate(image[0], angle, interpolation=InterpolationMode.BILINEAR)
    inside = slice(10, 31)  # torchvision fills the corners with black, ours mirrors the picture
    torch.testing.assert_close(views[0, :, inside, inside], expected[:, inside, inside], atol=EXACT, rtol=0)
    torch.testing.assert_close(views[1], image[1], atol=EXACT, rtol=0)


def test_the_flipped_crop_is_turned_in_the_same_direction() -> None:
    image = smooth(1, 32)
    boxes = flip_boxes(whole_boxes(image), across=torch.tensor([True]), down=torch.tensor([False]))
    quarter = crop(image, boxes, size=32, turn=torch.tensor([90.0]))
    torch.testing.assert_close(quarter, torch.rot90(image.flip(3), 1, (2, 3)), atol=EXACT, rtol=0)


def test_turns_of_a_box_look_where_the_box_is() -> None:
    image = smooth(1, 60)
    boxes = torch.tensor([[10.0, 20.0, 40.0, 50.0]])
    turned = crop(image, boxes, size=30, turn=torch.tensor([90.0]))
    torch.testing.assert_close(turned, torch.rot90(image[:, :, 20:50, 10:40], 1, (2, 3)), atol=EXACT, rtol=0)


def test_turning_antialiases_where_it_shrinks() -> None:
    checks = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).float().expand(1, 1, 64, 64)
    assert (crop(checks, whole_boxes(checks), size=16, turn=torch.tensor([20.0])) - 0.5).abs().max() < 0.1
    image = smooth(1, 96)
    shrunk = crop(image, whole_boxes(image), size=32, turn=torch.tensor([1e-4]))
    torch.testing.assert_close(shrunk, plain(image, 32), atol=0.02, rtol=0)


@pytest.mark.parametrize("size", [16, 40, 64])
def test_plain_is_torchvisions_resize(size: int) -> None:
    image = noise(3, 3, 40, 28)
    expected = reference.resize(image.float() / 255, [size, size], antialias=True)
    torch.testing.assert_close(plain(image, size), expected, atol=EXACT, rtol=0)


def test_plain_at_the_stored_size_changes_no_value() -> None:
    image = noise(3, 1, 16, 16)
    assert torch.equal(plain(image, 16), image.float() / 255)
    unit = image.float() / 255
    same = plain(unit, 16)
    assert torch.equal(same, unit)
    assert same.data_ptr() != unit.data_ptr()


def test_quarter_turns_are_numpys_rot90() -> None:
    image = noise(6, 3, 9, 9)
    turns = torch.tensor([0, 1, 2, 3, 1, 6])
    expected = [np.rot90(picture.numpy(), turn, (1, 2)) for picture, turn in zip(image, turns.tolist(), strict=True)]
    assert np.array_equal(quarter_turns(image, turns).numpy(), np.stack(expected))
    with pytest.raises(ValueError, match="square"):
        quarter_turns(noise(1, 3, 8, 9), torch.tensor([1]))


def test_a_row_knows_nothing_of_the_others() -> None:
    for side in (24, 120):
        image, boxes = noise(5, 3, side, side), boxes_for(5, (side, side))
        sigma, turn = torch.tensor([0.0, 2.0, 0.7, 0.0, 1.0]), torch.linspace(-20, 20, 5)
        other = noise(5, 3, side, side, seed=9)
        other[2] = image[2]
        for turns in (None, turn):
            views = (crop(pictures, boxes, size=20, sigma=sigma, turn=turns) for pictures in (image, other))
            assert torch.equal(*(view[2] for view in views))
        alone = crop(image[2:3], boxes[2:3], size=20, sigma=sigma[2:3])
        torch.testing.assert_close(alone[0], crop(image, boxes, size=20, sigma=sigma)[2], atol=1e-6, rtol=0)


def test_boxes_lie_inside_on_whole_pixels() -> None:
    boxes = boxes_for(2000, (40, 56))
    assert torch.equal(boxes, boxes.round())
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 56).all()
    assert (boxes[:, 3] <= 40).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_area_is_uniform_and_ratio_log_uniform() -> None:
    # At most half of the picture, so that nearly every box drawn fits and the distribution is the one asked for.
    boxes = crop_boxes(20_000, shape=(1000, 1000), area=(0.1, 0.5), ratio=RATIO, rng=torch.Generator().manual_seed(0))
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    places = torch.linspace(0.05, 0.95, 19)
    area = torch.quantile(across * down / 1e6, places)
    torch.testing.assert_close(area, 0.1 + 0.4 * places, atol=0.01, rtol=0)
    ratio = torch.quantile((across / down).log() / math.log(4 / 3), places)
    torch.testing.assert_close(ratio, 2 * places - 1, atol=0.05, rtol=0)
    left = torch.quantile(boxes[:, 0] / (1000 - across), places)
    torch.testing.assert_close(left, places, atol=0.02, rtol=0)


def test_boxes_are_distributed_as_torchvisions() -> None:
    torch.manual_seed(0)
    image = torch.zeros(3, 48, 64)
    drawn = [RandomResizedCrop.get_params(image, [0.08, 1.0], list(RATIO)) for _ in range(4000)]
    top, left, down, across = torch.tensor(drawn, dtype=torch.float32).unbind(1)
    boxes = boxes_for(4000, (48, 64))
    for theirs, ours in ((left, boxes[:, 0]), (top, boxes[:, 1]), (across, boxes[:, 2] - boxes[:, 0]), (down, boxes[:, 3] - boxes[:, 1])):
        error = math.sqrt(float(theirs.var() + ours.var()) / 4000)
        assert abs(float(theirs.mean() - ours.mean())) < 4 * error
        assert float(theirs.std() / ours.std()) == pytest.approx(1, abs=0.05)


def test_the_ratio_is_true_to_the_world_for_stretched_pictures() -> None:
    aspect = torch.tensor([0.5, 1.0, 2.5]).repeat(300)
    rng = torch.Generator().manual_seed(0)
    boxes = crop_boxes(900, shape=(400, 400), area=(0.05, 0.2), ratio=RATIO, rng=rng, aspect=aspect)
    true = aspect * (boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1])
    assert true.min() > RATIO[0] * 0.97
    assert true.max() < RATIO[1] * 1.03
    share = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / 400**2
    assert 0.045 < share.min() < share.max() < 0.205


def test_a_long_picture_gets_its_largest_centred_box() -> None:
    rng, aspect = torch.Generator().manual_seed(0), torch.tensor([4.0, 0.25])
    boxes = crop_boxes(2, shape=(100, 100), area=(0.9, 1.0), ratio=RATIO, rng=rng, aspect=aspect)
    # Four times as wide as tall: all of the height, and a third of the width (4/3 by 1 of 4 by 1), in the middle.
    assert boxes[0].tolist() == [34.0, 0.0, 67.0, 100.0]
    assert boxes[1].tolist() == [0.0, 34.0, 100.0, 67.0]
