"""Colour, against torchvision's answers where both are linear, and against thirds of a turn where torchvision's hue is not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as reference

from selfsup.views import Jitter, color_matrix, draw_jitter, recolor, solarise

EXACT = 1e-5  # of a range of 1: rounding of fp32
LUMA = 2e-4  # torchvision's luma weights are those of BT.601 rounded to 0.2989, 0.587, 0.114


def pictures(rows: int = 4, channels: int = 3, side: int = 24) -> Tensor:
    return torch.rand(rows, channels, side, side, generator=torch.Generator().manual_seed(0))


def jitter(
    rows: int = 4, *, brightness: float = 1, contrast: float = 1, saturation: float = 1, hue: float = 0, grey: bool = False
) -> Jitter:
    bright, contrasted, saturated, shifted = (torch.full((rows,), float(factor)) for factor in (brightness, contrast, saturation, hue))
    return Jitter(bright, contrasted, saturated, shifted, torch.full((rows,), grey))


@pytest.mark.parametrize("factor", [0.0, 0.2, 0.7, 1.0, 1.8])
def test_brightness_contrast_and_saturation_are_torchvisions(factor: float) -> None:
    image = pictures()
    torch.testing.assert_close(recolor(image, jitter(brightness=factor)), reference.adjust_brightness(image, factor), atol=EXACT, rtol=0)
    torch.testing.assert_close(recolor(image, jitter(contrast=factor)), reference.adjust_contrast(image, factor), atol=LUMA, rtol=0)
    torch.testing.assert_close(recolor(image, jitter(saturation=factor)), reference.adjust_saturation(image, factor), atol=LUMA, rtol=0)


def test_grey_is_torchvisions() -> None:
    image = pictures()
    expected = reference.rgb_to_grayscale(image, num_output_channels=3)
    torch.testing.assert_close(recolor(image, jitter(grey=True)), expected, atol=LUMA, rtol=0)
    turned = reference.rgb_to_grayscale(recolor(image, jitter(hue=1 / 3)), num_output_channels=3)
    torch.testing.assert_close(recolor(image, jitter(hue=1 / 3, grey=True)), turned, atol=LUMA, rtol=0)


@pytest.mark.parametrize("third", [1, -1])
def test_a_third_of_a_turn_of_the_hue_permutes_the_channels(third: int) -> None:
    image = pictures()
    shifted = recolor(image, jitter(hue=third / 3))
    torch.testing.assert_close(shifted, image.roll(third, dims=1), atol=EXACT, rtol=0)
    torch.testing.assert_close(shifted, reference.adjust_hue(image, third / 3), atol=EXACT, rtol=0)


@pytest.mark.parametrize(("hue", "tolerance"), [(0.02, 0.02), (0.05, 0.045), (0.1, 0.075), (0.2, 0.09), (-0.2, 0.09)])
def test_hue_goes_where_torchvisions_goes(hue: float, tolerance: float) -> None:
    # torchvision turns in HSV: on fully random colours the mean difference stays below these tolerances, and far below the wrong way's.
    image = pictures()
    expected = reference.adjust_hue(image, hue)
    error = (recolor(image, jitter(hue=hue)) - expected).abs().mean()
    assert error < tolerance
    assert error < 0.6 * (recolor(image, jitter(hue=-hue)) - expected).abs().mean()


def test_hue_is_a_rotation_about_the_grey_axis() -> None:
    matrix = color_matrix(jitter(1, hue=0.13))[0].double()
    grey = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3, dtype=torch.float64), atol=EXACT, rtol=0)
    torch.testing.assert_close(matrix @ grey, grey, atol=EXACT, rtol=0)
    assert float((matrix.trace() - 1) / 2) == pytest.approx(float(torch.cos(torch.tensor(2 * torch.pi * 0.13))), abs=EXACT)


def test_all_together_are_the_steps_one_after_the_other() -> None:
    image = 0.4 + 0.2 * pictures()  # far from the ends, so that torchvision's clamping in between changes nothing
    steps = reference.adjust_brightness(image, 1.2)
    steps = reference.adjust_contrast(steps, 0.8)
    steps = reference.adjust_saturation(steps, 1.3)
    steps = reference.adjust_hue(steps, -1 / 3)
    together = jitter(brightness=1.2, contrast=0.8, saturation=1.3, hue=-1 / 3)
    torch.testing.assert_close(recolor(image, together), steps, atol=LUMA, rtol=0)


def test_one_channel_takes_brightness_and_contrast() -> None:
    image = pictures(channels=1)
    steps = reference.adjust_brightness(0.5 * image, 1.2)
    steps = reference.adjust_contrast(steps, 1.5)
    coloured = recolor(0.5 * image, jitter(brightness=1.2, contrast=1.5, saturation=0.1, hue=0.2, grey=True))
    torch.testing.assert_close(coloured, steps, atol=EXACT, rtol=0)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        recolor(pictures(channels=4), jitter())


def test_results_are_clamped_and_pictures_untouched() -> None:
    image = pictures()
    before = image.clone()
    bright = recolor(image, jitter(brightness=3, contrast=3, saturation=3))
    assert [float(bright.min()), float(bright.max())] == [0, 1]
    assert torch.equal(image, before)
    out = torch.empty_like(image)
    assert recolor(image, jitter(hue=0.1), out=out) is out
    assert torch.equal(out, recolor(image, jitter(hue=0.1)))


def test_each_row_has_factors_of_its_own() -> None:
    image = pictures()
    drawn = draw_jitter(4, strength=1.0, probability=1.0, grey=0.5, rng=torch.Generator().manual_seed(0))
    whole = recolor(image, drawn)
    for row in range(4):
        one = slice(row, row + 1)
        torch.testing.assert_close(recolor(image[one], drawn[one]), whole[one], atol=1e-6, rtol=0)


def test_factors_are_drawn_from_simclrs_ranges() -> None:
    drawn = draw_jitter(20_000, strength=0.5, probability=0.8, grey=0.2, rng=torch.Generator().manual_seed(0))
    chosen = drawn.brightness != 1
    assert float(chosen.float().mean()) == pytest.approx(0.8, abs=0.012)  # four standard errors
    assert float(drawn.grey.float().mean()) == pytest.approx(0.2, abs=0.012)
    places = torch.linspace(0.05, 0.95, 19)
    for factors in (drawn.brightness, drawn.contrast, drawn.saturation):
        torch.testing.assert_close(torch.quantile(factors[chosen], places), 0.6 + 0.8 * places, atol=0.02, rtol=0)
    torch.testing.assert_close(torch.quantile(drawn.hue[chosen], places), -0.1 + 0.2 * places, atol=0.005, rtol=0)
    assert (drawn.hue[~chosen] == 0).all()
    strong = draw_jitter(1000, strength=2.0, probability=1.0, grey=0.0, rng=torch.Generator().manual_seed(0))
    assert strong.brightness.min() >= 0
    assert not strong.grey.any()


def test_solarise_is_torchvisions_in_the_chosen_rows() -> None:
    image = pictures()
    image[:, :, 0, 0] = 0.5
    chosen = torch.tensor([True, False, True, False])
    result = solarise(image, chosen)
    torch.testing.assert_close(result[chosen], reference.solarize(image[chosen], 0.5), atol=0, rtol=0)
    assert torch.equal(result[~chosen], image[~chosen])
