"""lightly's heads and losses as tasks of ours: what differs from our own tasks is theirs, and nothing else is."""

from __future__ import annotations

from typing import Any

import torch
from lightly.loss import BarlowTwinsLoss, DINOLoss, NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules.heads import (
    BarlowTwinsProjectionHead,
    BYOLPredictionHead,
    BYOLProjectionHead,
    DINOProjectionHead,
    SimCLRProjectionHead,
)
from lightly.models.utils import update_momentum
from torch import Tensor
from torch.nn.utils import remove_weight_norm
from torch.nn.utils.parametrizations import weight_norm

from selfsup.backbones import Backbone
from selfsup.joint_embedding import ManyViews, PredictedViews, TwoViews
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


class LightlyBarlowTwins(TwoViews):
    """Barlow Twins with lightly's projection head and loss, in as many dimensions as ours."""

    def __init__(self, backbone: Backbone, **views: Any) -> None:
        super().__init__(backbone, BarlowTwinsProjectionHead(backbone.width, 512, 512), **views)
        self.criterion = BarlowTwinsLoss()

    def loss(self, output: Output) -> dict[str, Tensor]:
        return {"redundancy": self.criterion(output["a"], output["b"])}


class LightlyDINO(ManyViews):
    """DINO with lightly's heads, loss with its centre, and momentum update, on the views that our DINO has by default."""

    loss_falls = False

    def __init__(
        self, backbone: Backbone, *, crop: float = 0.6, jitter: float = 0.2, blur: float = 0.0, local_views: int = 0, **views: Any
    ) -> None:
        head = DINOProjectionHead(backbone.width, 512, 32, 128)
        remove_weight_norm(head.last_layer)  # the same in torch's newer way, which can be copied
        head.last_layer = weight_norm(head.last_layer)
        head.last_layer.parametrizations.weight.original0.requires_grad_(False).fill_(1)
        super().__init__(backbone, head, crop=crop, jitter=jitter, blur=blur, local_views=local_views, **views)
        self.teacher = Teacher(self, "backbone", "projector")
        self.criterion = DINOLoss(output_dim=128, warmup_teacher_temp=0.04, teacher_temp=0.04)

    def forward(self, views: Views) -> Output:
        wide = views["global"]
        with torch.no_grad():
            answers = self.teacher.project(wide.flatten(0, 1)).reshape(*wide.shape[:2], -1)
        return {**super().forward(views), "teacher": answers}

    def loss(self, output: Output) -> dict[str, Tensor]:
        centre = self.criterion.center.clone()
        nats = self.criterion(list(output["teacher"].unbind(1)), list(output["global"].unbind(1)), teacher_temp=0.04)
        self.criterion.center = centre  # a loss of ours changes nothing: the centre moves after the step
        return {"answers": nats}

    def after_step(self, output: Output) -> None:
        self.criterion.update_center(output["teacher"].transpose(0, 1))
        momentum = momentum_at(self.progress, self.steps, start=None)
        for name, part in self.teacher.named_children():
            update_momentum(self.get_submodule(name), part, m=momentum)
