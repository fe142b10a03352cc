"""Corruption that a denoising autoencoder undoes: Vincent et al., Stacked Denoising Autoencoders, JMLR 11, 2010, section 3.3."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from selfsup.views.mask import patch_mask, random_patches

Corrupted = tuple[Float[Tensor, "B C H W"], Bool[Tensor, "B 1 H W"]]
"""Pictures, and which of their pixels were chosen, whether that changed them or not: a black one may have been blackened."""


def gaussian(image: Float[Tensor, "B C H W"], sigma: float, rng: torch.Generator) -> Float[Tensor, "B C H W"]:
    """Add Gaussian noise of standard deviation `sigma` to every value, and clamp to [0, 1]."""
    noise = torch.randn(image.shape, generator=rng, device=image.device, dtype=image.dtype)
    return noise.mul_(sigma).add_(image).clamp_(0, 1)


def masking(image: Float[Tensor, "B C H W"], fraction: float, *, patch: int, rng: torch.Generator) -> Corrupted:
    """Blacken a fraction of each picture's blocks of `patch` x `patch` pixels; the number of blocks is the same in each picture."""
    blocks = -(-image.shape[2] // patch) * -(-image.shape[3] // patch)
    _, hidden = random_patches(len(image), blocks, hidden=fraction, rng=rng)
    mask = patch_mask(hidden, shape=(image.shape[2], image.shape[3]), patch=patch)
    return image.masked_fill(mask, 0.0), mask


def salt_and_pepper(image: Float[Tensor, "B C H W"], fraction: float, rng: torch.Generator) -> Corrupted:
    """Set each pixel, all its channels at once, to black or white with probability `fraction`, either with equal chance."""
    rows, _, height, width = image.shape
    draw = torch.rand(rows, 1, height, width, generator=rng, device=image.device)
    mask = draw < fraction
    return image.masked_fill(mask, 0.0).masked_fill_(draw < fraction / 2, 1.0), mask
