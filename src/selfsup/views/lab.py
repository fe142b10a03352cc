"""CIE L*a*b*: lightness from 0 to 100 apart from colour (a: green to red, b: blue to yellow), in steps people see as equal.

sRGB as in IEC 61966-2-1, L*a*b* as in CIE 15:2004, section 8.2.1, under the white of sRGB itself (D65, 2 degrees).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
"""CIE XYZ of the red, green and blue of sRGB (Lindbloom, RGB/XYZ matrices). The sums of its rows are the white, so that greys have
neither a nor b."""

KNEE = 6 / 29
"""Where the cube root of L*a*b* goes over into a straight line."""

LEVELS = 256

FARTHEST = 128
"""No colour of sRGB is farther from grey than this in a or b: blue has b = -107.9."""


def lab(image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """L*, a* and b* of sRGB pictures in [0, 1]."""
    x, y, z = torch.einsum("dc,bchw->dbhw", _relative(image), _linear(image)).unbind()
    x, y, z = _root(x), _root(y), _root(z)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def lightness(image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1 H W"]:
    """L* alone."""
    luminance = torch.einsum("c,bchw->bhw", _relative(image)[1], _linear(image))
    return (116 * _root(luminance) - 16)[:, None]


def rgb(image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """sRGB of L*, a* and b*; colours that sRGB does not have are clamped to [0, 1]."""
    light, a, b = image.unbind(dim=1)
    y = (light + 16) / 116
    xyz = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    xyz = torch.where(xyz > KNEE, xyz**3, 3 * KNEE**2 * (xyz - 4 / 29))
    linear = torch.einsum("cd,bdhw->bchw", torch.linalg.inv(_relative(image)), xyz).clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


@lru_cache(maxsize=4)
def color_bins(step: int = 10) -> Float[Tensor, "Q 2"]:
    """The points (a, b) of a grid of `step` between which the colours of sRGB lie: the four corners of every cell that holds a colour.

    Found from the surface of the RGB cube: seen along L*, everything inside lies behind it. Zhang et al. 2016 use 313 such points at a
    step of 10 but do not say which; these are 309, so that every colour is a mean of bins.
    """
    line = torch.linspace(0, 1, LEVELS, dtype=torch.float64)  # in fp32 rounding could put a point on another machine's other side
    across, down = (axis.flatten() for axis in torch.meshgrid(line, line, indexing="ij"))
    sides = [torch.stack([across, down, torch.full_like(across, end)]) for end in (0.0, 1.0)]
    surface = torch.cat([side.roll(turn, 0) for side in sides for turn in range(3)], dim=1)
    ab = lab(surface[None, :, None])[0, 1:, 0].T / step
    most = -(-FARTHEST // step) + 1
    low, high = (ab.floor().long() + most).unbind(dim=1), (ab.ceil().long() + most).unbind(dim=1)
    holds = torch.zeros(2 * most + 1, 2 * most + 1, dtype=torch.bool)
    for a in (low[0], high[0]):
        for b in (low[1], high[1]):
            holds[a, b] = True
    return ((holds.nonzero() - most) * step).float()


def _linear(image: Tensor) -> Tensor:
    """Light in place of the values a screen is sent."""
    return torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)


def _relative(image: Tensor) -> Tensor:
    """The matrix from linear RGB to XYZ as shares of the white's."""
    matrix = torch.tensor(XYZ, device=image.device, dtype=image.dtype)
    return matrix / matrix.sum(dim=1, keepdim=True)


def _root(share: Tensor) -> Tensor:
    return torch.where(share > KNEE**3, share.clamp(min=KNEE**3) ** (1 / 3), share / (3 * KNEE**2) + 4 / 29)
