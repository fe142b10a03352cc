"""Barlow Twins: what one dimension tells of a picture it tells of both views, and no other dimension tells it again."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import projector
from selfsup.joint_embedding import TwoViews
from selfsup.losses import off_diagonal
from selfsup.pretext import Output
from selfsup.ranges import at_least

STEADY = 1e-5
"""Added to the variance, as BatchNorm does it: a dimension that is the same for all pictures has correlation 0."""


class BarlowTwins(TwoViews):
    """Make each dimension agree over two views and tell what no other does. Zbontar, Jing, Misra, LeCun, Deny, ICML 2021, arXiv 2103.03230.

    Options: `redundancy` the weight of what dimensions share (the paper's lambda), where that of their agreement is 1; `hidden`,
    `dimensions` of the projection head (three layers); the others are those of `TwoViews`.
    """

    kind = "redundancy"
    attracted = "a"
    compared = False

    def __init__(self, backbone: Backbone, *, redundancy: float = 0.0051, hidden: int = 512, dimensions: int = 512, **views: Any) -> None:
        at_least(0, redundancy=redundancy)
        super().__init__(backbone, projector(backbone.width, hidden, dimensions, layers=3), **views)
        self.redundancy = redundancy

    def loss(self, output: Output) -> dict[str, Tensor]:
        table = correlation(output["a"], output["b"])
        # The paper's equation 1, divided by the number of dimensions: numbers and slopes are then alike for heads of any width.
        return {"agreement": (1 - table.diagonal()).square().mean(), "redundancy": self.redundancy * off_diagonal(table) / len(table)}


def correlation(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"]) -> Float[Tensor, "D D"]:
    """The cross-correlation of the dimensions of two views over the batch, the paper's equation 2."""
    return standardised(a).T @ standardised(b) / len(a)


def standardised(rows: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """Every dimension with mean 0 and variance 1 over the batch."""
    return (rows - rows.mean(dim=0)) * torch.rsqrt(rows.var(dim=0, correction=0) + STEADY)
