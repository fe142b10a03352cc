"""LeJEPA: every view predicts its picture, while a batch of each view looks like a normal distribution from every side."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.joint_embedding import SlicedViews, by_view, prediction
from selfsup.pretext import Output
from selfsup.ranges import share

KNOTS, REACH = 17, 3.0
"""Frequencies at which the distributions are compared, and the largest: the authors' settings."""


class LeJEPA(SlicedViews):
    """Predict a picture from each of its views, with embeddings normally distributed. Balestriero, LeCun, 2025, arXiv 2511.08544.

    Options: `sigreg` the weight of the distance from a normal distribution (the paper's lambda), of which the prediction gets the rest
    to 1; the others are those of `SlicedViews` and `ManyViews`.
    """

    def __init__(self, backbone: Backbone, *, sigreg: float = 0.05, **views: Any) -> None:
        share(sigreg=sigreg)
        super().__init__(backbone, **views)
        self.sigreg = sigreg

    def loss(self, output: Output) -> dict[str, Tensor]:
        along = self.along(output)
        distance = torch.stack([normality(rows, along) for rows in by_view(output)]).mean()  # each view's pictures by themselves
        return {"prediction": (1 - self.sigreg) * prediction(output), "sigreg": self.sigreg * distance}


def normality(rows: Float[Tensor, "B D"], along: Float[Tensor, "M D"]) -> Float[Tensor, ""]:
    """SIGReg: how far rows are from a standard normal distribution, by the mean of Epps and Pulley's statistic along M directions.

    B times the integral over t from -3 to 3 of |c(t) - exp(-t²/2)|² exp(-t²/2), c the empirical characteristic function, by the
    trapezoidal rule. Both halves are alike, so that t from 0 on counts twice.
    """
    step = REACH / (KNOTS - 1)
    knots = torch.linspace(0, REACH, KNOTS, device=rows.device, dtype=rows.dtype)
    normal = torch.exp(-knots.square() / 2)
    weights = 2 * step * normal
    weights = torch.cat([weights[:1] / 2, weights[1:-1], weights[-1:] / 2])
    angles = (rows @ along.T)[:, :, None] * knots
    real, imaginary = angles.cos().mean(dim=0), angles.sin().mean(dim=0)
    return len(rows) * (((real - normal).square() + imaginary.square()) @ weights).mean()
