"""CIE L*a*b*, against published numbers and against the formulas written for one pixel at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from selfsup.views import color_bins, lab, lightness, rgb

# Lindbloom's calculator and scikit-image, rounded to four places.
PUBLISHED = {
    (1.0, 0.0, 0.0): (53.2408, 80.0925, 67.2032),
    (0.0, 1.0, 0.0): (87.7347, -86.1827, 83.1793),
    (0.0, 0.0, 1.0): (32.2970, 79.1875, -107.8602),
    (1.0, 1.0, 1.0): (100.0, 0.0, 0.0),
    (0.0, 0.0, 0.0): (0.0, 0.0, 0.0),
}


def pixel(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)


def pictures(rows: int = 3, side: int = 8) -> Tensor:
    return torch.rand(rows, 3, side, side, generator=torch.Generator().manual_seed(0))


def by_hand(red: float, green: float, blue: float) -> tuple[float, float, float]:
    """The textbook's cases for one pixel, with its constants 24389/27 and 216/24389 in place of 6/29."""
    r, g, b = (v / 12.92 if v <= 0.04045 else math.pow((v + 0.055) / 1.055, 2.4) for v in (red, green, blue))
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    f = [t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


@pytest.mark.parametrize("color", PUBLISHED)
def test_primaries_have_their_published_numbers(color: tuple[float, float, float]) -> None:
    torch.testing.assert_close(lab(pixel(*color)), pixel(*PUBLISHED[color]), atol=2e-3, rtol=0)


def test_middle_grey_by_hand() -> None:
    """(0.5 + 0.055) / 1.055 to the power 2.4 is 0.214041; its cube root, 0.598197, gives 116 x 0.598197 - 16 = 53.389."""
    torch.testing.assert_close(lab(pixel(0.5, 0.5, 0.5)), pixel(53.389, 0.0, 0.0), atol=1e-3, rtol=0)


def test_every_pixel_is_as_the_textbook_says() -> None:
    image = torch.cat([pictures(), pictures() * 0.03])  # dark ones take the straight lines of both curves
    result = lab(image)
    for row, down, across in [(row, n, (3 * n) % 8) for row in range(6) for n in range(8)]:
        expected = by_hand(*image[row, :, down, across].tolist())
        assert result[row, :, down, across].tolist() == pytest.approx(expected, abs=1e-3)


def test_there_and_back() -> None:
    image = torch.cat([pictures(), pictures() * 0.03])
    torch.testing.assert_close(rgb(lab(image)), image, atol=2e-5, rtol=0)


def test_lightness_is_the_first_of_the_three() -> None:
    image = pictures()
    torch.testing.assert_close(lightness(image), lab(image)[:, :1])


def test_colors_that_screens_lack_are_clamped() -> None:
    shown = rgb(pixel(50.0, 120.0, -120.0))
    assert shown.isfinite().all()
    assert shown.min() >= 0
    assert shown.max() <= 1


def test_every_color_lies_between_four_bins() -> None:
    """Of a hundred thousand colours inside the cube, of which only the surface was looked at."""
    bins = {tuple(point) for point in color_bins().tolist()}
    colors = lab(torch.rand(1, 3, 1, 100_000, generator=torch.Generator().manual_seed(1)))[0, 1:, 0].T / 10
    cells = {tuple(cell) for cell in colors.floor().unique(dim=0).tolist()}  # type: ignore[no-untyped-call]
    assert {(10 * (a + i), 10 * (b + j)) for a, b in cells for i in (0, 1) for j in (0, 1)} <= bins


def test_every_bin_is_near_a_color() -> None:
    """Bins on the rim are corners of a cell with a colour in it: no farther from one than its diagonal."""
    line = torch.linspace(0, 1, 52)
    cube = torch.cartesian_prod(line, line, line).T[None, :, None]
    bins = color_bins()
    farthest = torch.cdist(bins, lab(cube)[0, 1:, 0].T).min(dim=1).values.max()
    assert farthest < 15
    assert bins.shape == (309, 2)
    assert bins.min(dim=0).values.tolist() == [-90.0, -110.0]
    assert bins.max(dim=0).values.tolist() == [100.0, 100.0]
    assert torch.equal(bins.unique(dim=0), bins)  # type: ignore[no-untyped-call]
