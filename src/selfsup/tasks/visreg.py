"""VISReg: LeJEPA's prediction, with centre, scale and shape of the embeddings' distribution told apart."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.joint_embedding import SlicedViews, by_view, prediction
from selfsup.pretext import Output
from selfsup.ranges import at_least, share

STEADY = 1e-4
"""Added to a standard deviation that is divided by."""


class VISReg(SlicedViews):
    """Predict a picture from each of its views, its embeddings centred, scaled and normally spread. Wu et al., 2026, arXiv 2606.02572.

    Options: `regularity` the weight of what keeps embeddings apart (the paper's lambda), of which the prediction gets the rest to 1, and
    within it `centre`, `scale` and `shape`; the others are those of `SlicedViews` and `ManyViews`.
    """

    def __init__(
        self, backbone: Backbone, *, regularity: float = 0.6, centre: float = 1.0, scale: float = 1.0, shape: float = 1.0, **views: Any
    ) -> None:
        share(regularity=regularity)
        at_least(0, centre=centre, scale=scale, shape=shape)
        super().__init__(backbone, **views)
        self.regularity, self.centre, self.scale, self.shape = regularity, centre, scale, shape

    def loss(self, output: Output) -> dict[str, Tensor]:
        every, along = by_view(output), self.along(output)
        deviation = every.var(dim=1, correction=0).add(1e-12).sqrt()  # a dead dimension has a slope, too
        shape = torch.stack([distance_from_normal(rows, along) for rows in every]).mean()
        return {
            "prediction": (1 - self.regularity) * prediction(output),
            "centre": self.regularity * self.centre * every.mean(dim=1).square().mean(),  # equation 6
            "scale": self.regularity * self.scale * (1 - deviation).square().mean(),  # equation 1
            "shape": self.regularity * self.shape * shape,
        }


def distance_from_normal(rows: Float[Tensor, "B D"], along: Float[Tensor, "M D"]) -> Float[Tensor, ""]:
    """The squared distance of rows, once centred and scaled, from normal quantiles: sorted, mean over rows and M directions.

    No gradient flows through the scale, which has a term of its own. Equations 2 and 5; quantiles at i / (B + 1).
    """
    scaled = (rows - rows.mean(dim=0)) / (rows.detach().std(dim=0, correction=0) + STEADY)
    places = torch.arange(1, len(rows) + 1, device=rows.device, dtype=rows.dtype) / (len(rows) + 1)
    quantiles = math.sqrt(2) * torch.erfinv(2 * places - 1)
    return ((scaled @ along.T).sort(dim=0).values - quantiles[:, None]).square().mean()
