"""SwAV: from one view of a picture, tell which learned directions another view was assigned to, when all have to be used alike."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from selfsup.backbones import Backbone
from selfsup.clusters import Prototypes, assigned, crossed_entropy
from selfsup.heads import projector
from selfsup.joint_embedding import ManyViews, by_view
from selfsup.pretext import Output
from selfsup.ranges import above, at_least


class SwAV(ManyViews):
    """Tell from each view where the other views of its picture were assigned. Caron et al., NeurIPS 2020, arXiv 2006.09882, equation 2.

    Global views are assigned to directions, the `prototypes`, over the whole batch, so that each gets as much. The queue of earlier
    batches that the paper adds for batches smaller than the prototypes are many is left out: have no more of them than pictures in a batch.

    Options: `prototypes` how many directions are learned; `temperature` of the cosines with them; `epsilon` the temperature of the
    assignment, and `iterations` how often directions and pictures are made even; `hidden`, `dimensions` of the projection head;
    the others are those of `ManyViews`.
    """

    kind = "contrastive"

    def __init__(
        self, backbone: Backbone, *, prototypes: int = 128, temperature: float = 0.1, epsilon: float = 0.03, iterations: int = 3,
        hidden: int = 512, dimensions: int = 32, local_views: int = 0, crop: float = 0.6, local_crop: float = 0.3, jitter: float = 0.2,
        blur: float = 0.0, **views: Any,
    ) -> None:  # fmt: skip
        if prototypes < 2:
            raise ValueError(f"prototypes is {prototypes}: pictures are told apart by at least two.")
        above(0, temperature=temperature, epsilon=epsilon)
        at_least(0, iterations=iterations)
        # Many more prototypes than dimensions: as many as dimensions leave directions far from all of them, where every code is uniform.
        head = nn.Sequential(projector(backbone.width, hidden, dimensions, normalise_last=True), Prototypes(dimensions, prototypes))
        super().__init__(backbone, head, local_views=local_views, crop=crop, local_crop=local_crop, jitter=jitter, blur=blur, **views)
        self.prototypes, self.temperature, self.epsilon, self.iterations = prototypes, temperature, epsilon, iterations

    def loss(self, output: Output) -> dict[str, Tensor]:
        views = output["global"].unbind(1)
        codes = [assigned(cosines, epsilon=self.epsilon, iterations=self.iterations) for cosines in views]
        return {"assignment": crossed_entropy(torch.stack(codes, dim=1), by_view(output).transpose(0, 1), self.temperature)}

    def blind_loss(self, rows: int) -> float:
        return math.log(self.prototypes)
