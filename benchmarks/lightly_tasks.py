"""lightly's heads and losses as tasks of ours: what differs from our own tasks is theirs, and nothing else is."""

from __future__ import annotations

import torch
from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead, SimCLRProjectionHead
from lightly.models.utils import update_momentum
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.joint_embedding import PredictedViews, TwoViews
from selfsup.pretext import Output, Views
from selfsup.teachers import Teacher, momentum_at
from selfsup.views import Augment


def usual_views(size: int, flip: float, turn: float) -> Augment:
    """What our two-view tasks see by default."""
    return Augment(size=size, crop=(0.25, 1.0), flip=flip, jitter=0.8, grey=0.2, blur=0.5, turn=turn)


class LightlySimCLR(TwoViews):
    """SimCLR with lightly's projection head and NT-Xent."""

    def __init__(self, backbone: Backbone, *, flip: float = 0.5, turn: float = 0.0) -> None:
        super().__init__(backbone, SimCLRProjectionHead(backbone.width, 512, 128), first=usual_views(backbone.size, flip, turn))
        self.criterion = NTXentLoss(temperature=0.2)

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"contrast": self.criterion(output["a"], output["b"])}


class LightlyBYOL(PredictedViews):
    """BYOL with lightly's heads, loss and momentum update; the momentum itself is ours, which suits the length of the run."""

    def __init__(self, backbone: Backbone, *, flip: float = 0.5, turn: float = 0.0) -> None:
        super().__init__(backbone, BYOLProjectionHead(backbone.width, 512, 128), first=usual_views(backbone.size, flip, turn))
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
