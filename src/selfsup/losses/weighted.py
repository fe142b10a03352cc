"""Means over what counts."""

from __future__ import annotations

from jaxtyping import Float, Shaped
from torch import Tensor


def weighted_mean(error: Float[Tensor, "B C H W"], weight: Shaped[Tensor, "B 1 H W"]) -> Float[Tensor, ""]:
    """Mean error over a picture's pixels by their weights, or over its hidden pixels if `weight` is a mask; then the mean over pictures.

    Each picture is divided by its own weights, so that it counts alike whatever the size of its hole, and a batch gives the same
    gradients whole, in parts and over ranks.
    """
    pixels = error.mean(dim=1, keepdim=True) * weight
    return (pixels.sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))).mean()


def counted_mean(values: Float[Tensor, "B K"], counts: Shaped[Tensor, "B K"]) -> Float[Tensor, ""]:
    """Mean over the values whose count is 1, wherever they stand; 0 if there are none.

    Batches may hold different numbers of them: the task's `count_of` tells the loop how much each batch weighs.
    """
    return (values * counts).sum() / counts.sum().clamp(min=1)
