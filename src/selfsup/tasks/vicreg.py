"""VICReg: two views agree, while every dimension stays alive and tells something of its own."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import projector
from selfsup.joint_embedding import TwoViews
from selfsup.losses import off_diagonal
from selfsup.pretext import Output
from selfsup.ranges import at_least


class VICReg(TwoViews):
    """Agree on two views, keep every dimension alive, make dimensions independent. Bardes, Ponce, LeCun, ICLR 2022, arXiv 2105.04906.

    Options: `invariance`, `variance` and `covariance` are the weights of the three terms; `hidden`, `dimensions` of the
    projection head (three layers); the others are those of `TwoViews`.
    """

    kind = "redundancy"
    attracted = "a"

    def __init__(
        self, backbone: Backbone, *, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0,
        hidden: int = 512, dimensions: int = 512, **views: Any,
    ) -> None:  # fmt: skip
        at_least(0, invariance=invariance, variance=variance, covariance=covariance)
        super().__init__(backbone, projector(backbone.width, hidden, dimensions, layers=3), **views)
        self.invariance, self.variance, self.covariance = invariance, variance, covariance

    def loss(self, output: Output) -> dict[str, Tensor]:
        a, b = output["a"], output["b"]
        return {
            # The mean over pictures and dimensions, and the variance halved: as in the authors' code, to which the weights belong. The
            # paper's equations 5 and 6 sum over dimensions and do not halve.
            "invariance": self.invariance * F.mse_loss(a, b),
            "variance": self.variance * (deadness(a) + deadness(b)) / 2,
            "covariance": self.covariance * (overlap(a) + overlap(b)),
        }


def deadness(rows: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """How far the standard deviations of the dimensions are below 1, on average. The paper's equations 1 and 2, with its epsilon."""
    return F.relu(1 - torch.sqrt(rows.var(dim=0) + 1e-4)).mean()


def overlap(rows: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """What dimensions share: the squared covariances of different ones, summed and divided by D. The paper's equations 3 and 4."""
    centred = rows - rows.mean(dim=0)
    return off_diagonal(centred.T @ centred / (len(rows) - 1)) / rows.shape[1]
