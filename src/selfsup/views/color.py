"""Colour: brightness, contrast, saturation, hue and grey as one 3x3 matrix and one offset a picture; solarisation.

The order is brightness, contrast, saturation, hue, grey, with one clamp to [0, 1] at the end. torchvision clamps after each and shuffles
the first four; without clamping in between, all but the hue commute, so there is no order to draw. The hue is turned about the grey axis
of RGB, which is linear: it agrees with torchvision's turn in HSV at thirds of a turn, and in direction and rough size in between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
# Half-widths of the ranges at strength 1: Chen et al., SimCLR, ICML 2020, arXiv 2002.05709, appendix A.
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.8, 0.8, 0.8, 0.2


@dataclass(frozen=True)
class Jitter:
    """Colour factors, one a picture: 1 leaves brightness, contrast and saturation as they are, 0 the hue (in turns of the circle)."""

    brightness: Float[Tensor, " B"]
    contrast: Float[Tensor, " B"]
    saturation: Float[Tensor, " B"]
    hue: Float[Tensor, " B"]
    grey: Bool[Tensor, " B"]

    def __getitem__(self, rows: slice) -> Jitter:
        """The factors of some of the pictures."""
        return Jitter(*(getattr(self, field.name)[rows] for field in fields(self)))


def draw_jitter(rows: int, *, strength: float, probability: float, grey: float, rng: torch.Generator) -> Jitter:
    """Draw colour factors: with `probability` a jitter of `strength` (SimCLR's ranges at 1), with probability `grey` no colour at all.

    At strength s brightness, contrast and saturation are uniform in 1 +- 0.8 s (never below 0) and hue in +- 0.2 s.
    """
    draws = torch.rand(6, rows, generator=rng, device=rng.device)
    chosen = draws[0] < probability

    def factor(draw: Tensor, half: float) -> Tensor:
        low, high = max(0.0, 1 - half * strength), 1 + half * strength
        return torch.where(chosen, low + (high - low) * draw, 1.0)

    hue = torch.where(chosen, min(0.5, HUE * strength) * (2 * draws[4] - 1), 0.0)
    return Jitter(factor(draws[1], BRIGHTNESS), factor(draws[2], CONTRAST), factor(draws[3], SATURATION), hue, draws[5] < grey)


def recolor(image: Float[Tensor, "B C H W"], jitter: Jitter, *, out: Float[Tensor, "B C H W"] | None = None) -> Float[Tensor, "B C H W"]:
    """Apply colour factors and clamp to [0, 1]. Pictures of one channel take brightness and contrast.

    `out` receives the result (contiguous, and not `image` itself). Raises ValueError for other than 1 or 3 channels.
    """
    channels = image.shape[1]
    if channels not in (1, 3):
        raise ValueError(f"colour jitter needs pictures of 1 or 3 channels, these have {channels}: set jitter=0 and grey=0.")
    pixels = image.flatten(2)
    out = torch.empty_like(image) if out is None else out
    flat = out.view(pixels.shape)
    gain = jitter.brightness * jitter.contrast
    mean = pixels.mean(dim=2, keepdim=True)
    if channels == 3:
        mean = _luma(image.device) @ mean
        torch.bmm(color_matrix(jitter), pixels, out=flat)
    else:
        torch.mul(pixels, gain[:, None, None], out=flat)
    flat.add_((jitter.brightness - gain)[:, None, None] * mean).clamp_(0, 1)
    return out


def color_matrix(jitter: Jitter) -> Float[Tensor, "B 3 3"]:
    """The linear part of a jitter: brightness x contrast x (saturation x H + (1 - saturation) x luma), of which grey takes the luma.

    H turns RGB about its grey axis by 2 pi hue: cos I + (1 - cos) J / 3 + sin K / sqrt 3, with J all ones and K the cross product with
    the vector of ones (Rodrigues' formula). Its rows add up to one, so that greys stay as they are.
    """
    device = jitter.hue.device
    luma = _luma(device)
    angle = 2 * math.pi * jitter.hue[:, None, None]
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=device)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    turn = cosine * torch.eye(3, device=device) + (1 - cosine) / 3 + sine / math.sqrt(3) * cross
    matrix = torch.lerp(luma.expand(3, 3), turn, jitter.saturation[:, None, None])
    matrix = torch.where(jitter.grey[:, None, None], luma @ matrix, matrix)
    return (jitter.brightness * jitter.contrast)[:, None, None] * matrix


def solarise(image: Float[Tensor, "B C H W"], chosen: Bool[Tensor, " B"], *, threshold: float = 0.5) -> Float[Tensor, "B C H W"]:
    """Invert every value from `threshold` up, in the chosen pictures (BYOL, Grill et al. 2020, arXiv 2006.07733, appendix B)."""
    return torch.where((image >= threshold) & chosen[:, None, None, None], 1 - image, image)


def _luma(device: torch.device) -> Tensor:
    return torch.tensor([LUMA], device=device)
