"""BYOL: predict from one view of a picture what a slow copy of the network makes of the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.heads import projector
from selfsup.joint_embedding import PredictedViews
from selfsup.losses import by_picture, crossed_cosine
from selfsup.pretext import Output, Views
from selfsup.ranges import share
from selfsup.teachers import Teacher, momentum_at


class BYOL(PredictedViews):
    """Predict from a view what a slow teacher makes of the other. Grill et al., NeurIPS 2020, arXiv 2006.07733, section 3.1.

    No picture is compared with another, so small batches do. Embeddings stay apart because the teacher is not trained and a predictor
    stands between: without either, all become one.

    Options: `momentum` of the teacher at the start, by default what suits the length of the run (.996 in the paper, for 10⁵ steps);
    `hidden` of projector and predictor, `dimensions` of what is predicted; the others are those of `TwoViews`.
    """

    attracted = "target"

    def __init__(
        self, backbone: Backbone, *, momentum: float | None = None, hidden: int = 512, dimensions: int = 128, **views: Any
    ) -> None:
        share(momentum=momentum)
        super().__init__(backbone, projector(backbone.width, hidden, dimensions, normalise_last=True), **views)
        self.predictor = projector(dimensions, hidden, dimensions)
        self.teacher = Teacher(self, "backbone", "projector")
        self.momentum = momentum

    def forward(self, views: Views) -> Output:
        both = torch.cat([views["a"], views["b"]])
        predicted = self.predictor(self.projector(self.backbone.embed(both)))
        return {"predicted": by_picture(predicted), "target": by_picture(self.teacher.project(both))}

    def loss(self, output: Output) -> dict[str, Tensor]:
        # Squared distances of rows of length 1, equation 2, of both views: 2 - 2 cos each, from 0 to 8 together.
        return {"prediction": 4 - 4 * crossed_cosine(output["predicted"], output["target"])}

    def after_step(self, output: Output) -> None:
        self.teacher.follow(self, momentum_at(self.progress, self.steps, start=self.momentum))
