"""lightly's heads and losses as tasks of ours: what differs from our own tasks is theirs, and nothing else is."""

from __future__ import annotations

from typing import Any

import torch
from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead, SimCLRProjectionHead
from lightly.models.utils import update_momentum
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.joint_embedding import PredictedViews, TwoViews
from selfsup.pretext import Output, Views
from selfsup.teachers import Teacher, momentum_at


class LightlySimCLR(TwoViews):
    """SimCLR with lightly's projection head and NT-Xent."""

    def __init__(self, backbone: Backbone, **views: Any) -> None:
        super().__init__(backbone, SimCLRProjectionHead(backbone.width, 512, 128), **views)
        self.criterion = NTXentLoss(temperature=0.2)

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"contrast": self.criterion(output["a"], output["b"])}


class LightlyBYOL(PredictedViews):
    """BYOL with lightly's heads, loss and momentum update; the momentum itself is ours, which suits the length of the run."""

    def __init__(self, backbone: Backbone, **views: Any) -> None:
        super().__init__(backbone, BYOLProjectionHead(backbone.width, 512, 128), **views)
        self.predictor = BYOLPredictionHead(128, 512, 128)
        self.teacher = Teacher(self, "backbone", "projector")
        self.criterion = NegativeCosineSimilarity()

    def forward(self, views: Views) -> Output:
        both = torch.cat([views["a"], views["b"]])
        predicted = self.predictor(self.projector(self.backbone.embed(both))).chunk(2)
        target = self.teacher.project(both).chunk(2)
        return {"a": predicted[0], "b": predicted[1], "target of a": target[1], "target of b": target[0]}

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"prediction": (self.criterion(output["a"], output["target of a"]) + self.criterion(output["b"], output["target of b"])) / 2}

    def after_step(self, output: Output) -> None:
        momentum = momentum_at(self.progress, self.steps, start=None)
        for name, part in self.teacher.named_children():
            update_momentum(self.get_submodule(name), part, m=momentum)
