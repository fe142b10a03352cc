"""The blur, alone and joined to the crop, against torchvision's and PIL's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms.v2 import functional as reference

from selfsup.views import blur, blur_matrix, crop, crop_boxes

SIGMA = torch.tensor([0.1, 0.0, 0.5, 1.0, 1.34, 2.0])


def pictures(height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.rand(len(SIGMA), channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("height", "width", "channels"), [(32, 32, 3), (20, 33, 1), (7, 8, 3)])
def test_each_picture_is_blurred_as_torchvision_would_with_its_sigma(height: int, width: int, channels: int) -> None:
    image = pictures(height, width, channels)
    blurred = blur(image, SIGMA)
    for before, after, sigma in zip(image, blurred, SIGMA.tolist(), strict=True):
        kernel = 2 * math.ceil(3 * sigma) + 1
        expected = before if sigma == 0 else reference.gaussian_blur(before, [kernel, kernel], [sigma, sigma])
        torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)


def test_a_picture_smaller_than_the_kernel_is_mirrored_once() -> None:
    image = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = reference.gaussian_blur(image, [7, 7], [2.0, 2.0])
    torch.testing.assert_close(blur(image, torch.tensor([2.0])), expected, atol=1e-5, rtol=0)
    assert blur(torch.full((1, 1, 1, 1), 0.3), torch.tensor([2.0])).item() == pytest.approx(0.3)


def test_the_width_of_a_point_is_sigma() -> None:
    line = blur_matrix(torch.tensor([1.5]), 41)[0, 20]
    places = torch.arange(41) - 20.0
    assert float(line.sum()) == pytest.approx(1)
    assert float((line * places.square()).sum().sqrt()) == pytest.approx(1.5, rel=0.03)  # cut at three sigma


def test_close_to_pils_blur() -> None:
    # lightly blurs with PIL, which runs three box filters in 8 bits.
    coarse = np.random.default_rng(0).integers(0, 256, (12, 12), dtype=np.uint8)
    pillow = Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC)
    expected = torch.from_numpy(np.array(pillow.filter(ImageFilter.GaussianBlur(1.7)))).float() / 255
    image = torch.from_numpy(np.array(pillow)).float().view(1, 1, 48, 48) / 255
    difference = (blur(image, torch.tensor([1.7]))[0, 0] - expected)[6:-6, 6:-6].abs()
    assert difference.max() < 0.02


@pytest.mark.parametrize("side", [24, 120])
@pytest.mark.parametrize("size", [16, 48])
def test_joined_to_the_crop_it_is_the_crop_and_then_the_blur(side: int, size: int) -> None:
    image = (pictures(side, side) * 255).to(torch.uint8)
    boxes = crop_boxes(len(SIGMA), shape=(side, side), area=(0.08, 1.0), ratio=(0.75, 1.33), rng=torch.Generator().manual_seed(1))
    joined = crop(image, boxes, size=size, sigma=SIGMA)
    torch.testing.assert_close(joined, blur(crop(image, boxes, size=size), SIGMA), atol=1e-5, rtol=0)
    turn = torch.zeros(len(SIGMA))
    turned = crop(image, boxes, size=size, sigma=SIGMA, turn=turn)
    torch.testing.assert_close(turned, blur(crop(image, boxes, size=size, turn=turn), SIGMA), atol=1e-5, rtol=0)


def test_without_sigma_nothing_changes_and_nothing_is_shared() -> None:
    image = pictures(8, 8)
    same = blur(image, torch.zeros(len(SIGMA)))
    assert torch.equal(same, image)
    assert same.data_ptr() != image.data_ptr()


def test_the_kernel_does_not_depend_on_the_other_rows() -> None:
    alone, beside = blur_matrix(torch.tensor([0.4]), 16), blur_matrix(torch.tensor([0.4, 3.0]), 16)
    torch.testing.assert_close(alone[0], beside[0], atol=0, rtol=0)
