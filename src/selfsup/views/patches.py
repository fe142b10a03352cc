"""Pictures cut into square patches, and put together again."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def whole_units(image: Float[Tensor, "B C S S"], unit: int) -> Float[Tensor, "B C T T"]:
    """The picture made up to whole units to the right and below, by repeating its edge: 28 px are not a multiple of a stride of 8."""
    missing = -image.shape[-1] % unit
    return F.pad(image, (0, missing, 0, missing), mode="replicate") if missing else image


def patches(image: Float[Tensor, "B C H W"], patch: int) -> Float[Tensor, "B T P"]:
    """The picture cut into squares of `patch` px, row by row; P counts pixel by pixel, channel last, as the paper's code does."""
    rows, channels, height, width = image.shape
    cut = image.reshape(rows, channels, height // patch, patch, width // patch, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(rows, -1, patch * patch * channels)


def unpatched(cut: Float[Tensor, "B T P"], patch: int, channels: int) -> Float[Tensor, "B C H W"]:
    """The square picture that `patches` cut."""
    side = round(cut.shape[1] ** 0.5)
    grid = cut.reshape(len(cut), side, side, patch, patch, channels)
    return grid.permute(0, 5, 1, 3, 2, 4).reshape(len(cut), channels, side * patch, side * patch)


def nearest_patches(
    predicted: Float[Tensor, "B M D"], features: Float[Tensor, "B T D"], cut: Float[Tensor, "B T P"]
) -> Float[Tensor, "B M P"]:
    """Pixels for what was predicted in features: of the patches of all other pictures, the one whose `features` are most like it.

    Alike by the cosine. A picture that is alone answers from its own patches.
    """
    rows, patches_each = features.shape[:2]
    alike = F.normalize(predicted, dim=-1) @ F.normalize(features.flatten(0, 1), dim=-1).T
    if rows > 1:
        own = torch.eye(rows, dtype=torch.bool, device=cut.device).repeat_interleave(patches_each, dim=1)
        alike = alike.masked_fill(own[:, None], -torch.inf)
    return cut.flatten(0, 1)[alike.argmax(dim=-1)]
