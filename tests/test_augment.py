"""The random view: pure in its generator, right in its rates, and equal to torchvision's steps on what it drew."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as reference

from selfsup.views import Augment, Draw, plain, resample

EVERYTHING: dict[str, Any] = {
    "crop": (0.08, 1.0),
    "vertical_flip": 0.3,
    "turn": 20.0,
    "jitter": 1.0,
    "blur": 0.5,
    "solarise": 0.3,
    "noise": 0.05,
}
NOTHING: dict[str, Any] = {"crop": (1.0, 1.0), "ratio": (1.0, 1.0), "flip": 0.0, "jitter": 0.0, "grey": 0.0}


def store(rows: int = 8, channels: int = 3, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (rows, channels, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("options", [{}, EVERYTHING, NOTHING])
@pytest.mark.parametrize("shape", [(1, 20, 32), (3, 32, 32), (3, 128, 100)])
def test_a_pure_function_of_pictures_and_generator(options: dict[str, Any], shape: tuple[int, int, int]) -> None:
    image = store(8, *shape)
    before, state = image.clone(), torch.get_rng_state()
    augment = Augment(size=24, **options)
    first, second = augment(image, torch.Generator().manual_seed(1)), augment(image, torch.Generator().manual_seed(1))
    assert torch.equal(first, second)
    assert options is NOTHING or not torch.equal(first, augment(image, torch.Generator().manual_seed(2)))
    assert torch.equal(image, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == (8, shape[0], 24, 24)
    assert first.dtype == torch.float32
    assert first.is_contiguous()
    assert 0 <= first.min() <= first.max() <= 1


def test_two_views_from_one_generator_differ() -> None:
    image, rng, augment = store(), torch.Generator().manual_seed(0), Augment(size=24)
    assert not torch.equal(augment(image, rng), augment(image, rng))


def test_with_everything_off_it_is_the_plain_picture() -> None:
    image = store()
    for size in (20, 32, 48):
        view = Augment(size=size, **NOTHING)(image, torch.Generator().manual_seed(0))
        torch.testing.assert_close(view, plain(image, size), atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [32, 112])
def test_what_was_drawn_is_what_torchvision_does(side: int) -> None:
    image = 100 + store(12, 3, side, side) // 8  # away from the ends: torchvision clamps after every step
    augment = Augment(size=28, crop=(0.2, 1.0), jitter=0.25, blur=0.5, vertical_flip=0.5, solarise=0.5)
    draw = augment.draw(12, shape=(side, side), rng=torch.Generator().manual_seed(0))
    assert draw.jitter is not None
    draw.jitter.hue.zero_()  # turned in RGB, not in HSV: see test_views_color.py
    views = augment.apply(image, draw)
    for row in range(12):
        torch.testing.assert_close(views[row], by_torchvision(image[row], draw, row, 28), atol=1e-3, rtol=0)


def by_torchvision(picture: Tensor, draw: Draw, row: int, size: int) -> Tensor:
    assert draw.jitter is not None
    assert draw.sigma is not None
    assert draw.solarised is not None
    left, top, right, bottom = draw.boxes[row].int().tolist()
    box = min(top, bottom), min(left, right), abs(bottom - top), abs(right - left)
    view: Tensor = reference.resized_crop(picture.float() / 255, *box, [size, size], antialias=True)
    view = reference.hflip(view) if right < left else view
    view = reference.vflip(view) if bottom < top else view
    sigma = float(draw.sigma[row])
    # With sigma the blur comes before the colour, as both commute while nothing is clamped.
    view = reference.gaussian_blur(view, [2 * math.ceil(3 * sigma) + 1] * 2, [sigma] * 2) if sigma > 0 else view
    view = reference.adjust_brightness(view, float(draw.jitter.brightness[row]))
    view = reference.adjust_contrast(view, float(draw.jitter.contrast[row]))
    view = reference.adjust_saturation(view, float(draw.jitter.saturation[row]))
    view = reference.rgb_to_grayscale(view, num_output_channels=3) if draw.jitter.grey[row] else view
    if draw.solarised[row]:
        view = reference.solarize(view, 0.5)
    return view


def test_a_row_knows_nothing_of_the_others() -> None:
    image, other = store(), store(seed=9)
    other[3] = image[3]
    augment = Augment(size=24, **EVERYTHING)
    views = (augment(pictures, torch.Generator().manual_seed(0)) for pictures in (image, other))
    assert torch.equal(*(view[3] for view in views))


def test_the_size_of_the_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    image = store()
    for options in ({"blur": 0.5}, EVERYTHING):
        augment = Augment(size=24, **options)
        whole = augment(image, torch.Generator().manual_seed(0))
        with monkeypatch.context() as patch:
            patch.setattr(resample, "CACHED", 3 * 32 * 32 * 3)
            torch.testing.assert_close(augment(image, torch.Generator().manual_seed(0)), whole, atol=1e-6, rtol=0)
            patch.setattr(resample, "WINDOWED", 1)
            torch.testing.assert_close(augment(image, torch.Generator().manual_seed(0)), whole, atol=1e-6, rtol=0)


def test_rates_are_those_asked_for() -> None:
    augment = Augment(size=8, flip=0.5, vertical_flip=0.1, blur=0.3, blur_sigma=(0.5, 1.5), solarise=0.2, turn=30.0)
    draw = augment.draw(20_000, shape=(32, 32), rng=torch.Generator().manual_seed(0))
    assert draw.sigma is not None
    assert draw.solarised is not None
    assert draw.turn is not None
    rates = {
        0.5: draw.boxes[:, 2] < draw.boxes[:, 0],
        0.1: draw.boxes[:, 3] < draw.boxes[:, 1],
        0.3: draw.sigma > 0,
        0.2: draw.solarised,
    }
    for expected, chosen in rates.items():
        assert float(chosen.float().mean()) == pytest.approx(expected, abs=0.0142)  # four standard errors at a half
    places = torch.linspace(0.05, 0.95, 19)
    torch.testing.assert_close(torch.quantile(draw.sigma[draw.sigma > 0], places), 0.5 + places, atol=0.03, rtol=0)
    torch.testing.assert_close(torch.quantile(draw.turn, places), 60 * places - 30, atol=1.2, rtol=0)


def test_half_of_the_views_are_seen_flipped() -> None:
    ramp = torch.linspace(0, 255, 32).to(torch.uint8).expand(2000, 1, 32, 32)
    views = Augment(size=8)(ramp, torch.Generator().manual_seed(0))
    flipped = views[..., 0].mean(dim=(1, 2)) > views[..., -1].mean(dim=(1, 2))
    assert float(flipped.float().mean()) == pytest.approx(0.5, abs=0.045)  # four standard errors


def test_aspect_shapes_the_boxes() -> None:
    image = store(64)
    wide = torch.full((64,), 3.0)
    augment = Augment(size=16, crop=(0.05, 0.3))
    draw = augment.draw(64, shape=(32, 32), rng=torch.Generator().manual_seed(0), aspect=wide)
    sides = (draw.boxes[:, 2:] - draw.boxes[:, :2]).abs()
    assert (sides[:, 1] > 1.5 * sides[:, 0]).all()
    views = (augment(image, torch.Generator().manual_seed(0), aspect) for aspect in (None, wide))
    assert not torch.equal(*views)


def test_noise_is_added_last_and_clamped() -> None:
    black = torch.zeros(4, 1, 16, 16, dtype=torch.uint8)
    noisy = Augment(size=16, noise=0.1, **NOTHING)(black, torch.Generator().manual_seed(0))
    assert float(noisy.min()) == 0
    assert float(noisy[noisy > 0].std()) == pytest.approx(0.06, abs=0.01)  # half a normal: 0.1 sqrt(1 - 2 / pi)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"flip": 1.5}, "flip"),
        ({"grey": -0.1}, "grey"),
        ({"crop": (0.0, 1.0)}, "crop"),
        ({"crop": (0.5, 1.2)}, "crop"),
        ({"ratio": (2.0, 1.0)}, "ratio"),
        ({"turn": -1.0}, "turn"),
        ({"size": 0}, "size"),
    ],
)
def test_values_out_of_range_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Augment(**{"size": 8, **options})


def test_memory_kept_between_calls_serves_every_mode_and_thread() -> None:
    image, augment = store(), Augment(size=24, blur=0.5)
    expected = augment(image, torch.Generator().manual_seed(0))

    def view(mode: bool) -> Tensor:
        with torch.inference_mode(mode):
            return augment(image, torch.Generator().manual_seed(0)).clone()

    with ThreadPoolExecutor(4) as pool:  # of each new thread, the first call may come from inference mode
        assert all(torch.equal(result, expected) for result in pool.map(view, [True, False] * 8))
