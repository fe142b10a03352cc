"""The three corruptions of a denoising autoencoder: how much, where, and from which generator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from selfsup.views import gaussian, masking, salt_and_pepper

Corruption = Callable[[Tensor, torch.Generator], Tensor]


def salted(image: Tensor, rng: torch.Generator) -> Tensor:
    return salt_and_pepper(image, 0.3, rng)[0]


def noised(image: Tensor, rng: torch.Generator) -> Tensor:
    return gaussian(image, 0.1, rng)


def masked(image: Tensor, rng: torch.Generator, patch: int = 4) -> Tensor:
    return masking(image, 0.25, patch=patch, rng=rng)[0]


@pytest.mark.parametrize("corrupt", [salted, noised, masked, partial(masked, patch=1)])
def test_a_pure_function_of_picture_and_generator(corrupt: Corruption) -> None:
    image = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    before, state = image.clone(), torch.get_rng_state()
    first, second = corrupt(image, torch.Generator().manual_seed(1)), corrupt(image, torch.Generator().manual_seed(1))
    assert torch.equal(first, second)
    assert not torch.equal(first, corrupt(image, torch.Generator().manual_seed(2)))
    assert torch.equal(image, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == image.shape
    assert 0 <= first.min() <= first.max() <= 1


def test_gaussian_noise_has_its_deviation() -> None:
    difference = gaussian(torch.full((4, 1, 64, 64), 0.5), 0.1, torch.Generator().manual_seed(0)) - 0.5
    assert float(difference.std()) == pytest.approx(0.1, rel=0.03)
    assert abs(float(difference.mean())) < 0.004
    assert float(gaussian(torch.ones(1, 1, 64, 64), 0.1, torch.Generator().manual_seed(0)).max()) == 1


def test_masking_blackens_the_same_number_of_blocks_in_each_picture() -> None:
    corrupted, chosen = masking(torch.ones(6, 3, 16, 24), 0.25, patch=4, rng=torch.Generator().manual_seed(0))
    assert torch.equal(chosen.expand(-1, 3, -1, -1), corrupted == 0)
    blocks = corrupted.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4)  # (row, channel, down, across, pixels)
    assert (blocks == blocks[..., :1]).all()
    assert ((blocks[..., 0] == 0).sum(dim=(2, 3)) == 6).all()
    assert not torch.equal(corrupted[0], corrupted[1])


def test_salt_and_pepper_are_equally_many_whole_pixels() -> None:
    corrupted, chosen = salt_and_pepper(torch.full((8, 3, 64, 64), 0.5), 0.3, torch.Generator().manual_seed(0))
    assert torch.equal(chosen.expand(-1, 3, -1, -1), corrupted != 0.5)
    assert torch.equal(corrupted[:, 0], corrupted[:, 2])
    assert float((corrupted == 1).float().mean()) == pytest.approx(0.15, abs=0.008)  # four standard errors of 32,768 pixels
    assert float((corrupted == 0).float().mean()) == pytest.approx(0.15, abs=0.008)
    assert float((corrupted == 0.5).float().mean()) == pytest.approx(0.7, abs=0.011)
