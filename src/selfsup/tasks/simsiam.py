"""SimSiam: predict from one view of a picture what the same network makes of the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import projector
from selfsup.joint_embedding import PredictedViews
from selfsup.losses import by_picture, crossed_cosine
from selfsup.pretext import Output, Views


class SimSiam(PredictedViews):
    """Predict from a view what the same network makes of the other. Chen, He, CVPR 2021, arXiv 2011.10566, section 3.

    BYOL without its slow teacher: what keeps embeddings apart is the predictor, and that no gradient reaches what is predicted. The
    predictor's learning rate stays at its peak (appendix B), since it has to keep up with the network.

    Options: `hidden` and `dimensions` of the projector (three layers), `bottleneck` the predictor's narrow middle (2,048, 2,048 and 512
    in the paper); the others are those of `TwoViews`.
    """

    attracted = "target"

    def __init__(self, backbone: Backbone, *, hidden: int = 512, dimensions: int = 512, bottleneck: int = 128, **views: Any) -> None:
        super().__init__(backbone, projector(backbone.width, hidden, dimensions, layers=3, normalise_last=True), **views)
        self.predictor = projector(dimensions, bottleneck, dimensions)

    def forward(self, views: Views) -> Output:
        projected = self.projector(self.backbone.embed(torch.cat([views["a"], views["b"]])))
        return {"predicted": by_picture(self.predictor(projected)), "target": by_picture(projected.detach())}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"prediction": -crossed_cosine(output["predicted"], output["target"])}  # equations 1 and 4: from -1 to 1

    def parameter_groups(self) -> list[dict[str, Any]]:
        others = [*self.backbone.parameters(), *self.projector.parameters()]
        return [
            {"params": [parameter for parameter in others if parameter.requires_grad]},
            {"params": list(self.predictor.parameters()), "constant": True},
        ]
