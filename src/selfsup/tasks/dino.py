"""DINO: tell from any view of a picture what a slow teacher makes of its large ones."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones import Backbone
from selfsup.clusters import assigned, cluster_head, crossed_entropy
from selfsup.joint_embedding import ManyViews, by_view
from selfsup.pretext import Output, Views
from selfsup.ranges import above, at_least, share
from selfsup.teachers import Teacher, momentum_at

CENTRE = 0.9
"""The share of the running centre that each step keeps: the authors' setting."""


class DINO(ManyViews):
    """Tell from any view what a slow teacher makes of the large ones. Caron et al., ICCV 2021, arXiv 2104.14294, section 3.1.

    Nothing is compared with other pictures. The teacher's answers are kept from becoming one and the same either by giving each of them
    as often (`centring=sinkhorn`, as in DINOv2, Oquab et al., 2024, arXiv 2304.07193, section 4) or by taking off a running mean
    (`mean`, the paper's), and are sharpened by a small temperature.

    Options: `centring` which of the two; `outputs` how many answers there are (65,536 in the paper, for a million pictures); `hidden`,
    `bottleneck` widths of the head, `normalise` whether it has BatchNorm (not in the paper); `temperature` is the student's; the teacher's
    rises from `first_temperature` to `teacher_temperature` in the share `warm_up` of the run; `momentum` of the teacher at the start, by
    default what suits the length of the run; the others are those of `ManyViews`.
    """

    kind = "distillation"
    loss_falls = False  # what is to be told is learned too
    centre: Tensor

    def __init__(
        self, backbone: Backbone, *, outputs: int = 128, hidden: int = 512, bottleneck: int = 32, normalise: bool = True,
        centring: Literal["sinkhorn", "mean"] = "sinkhorn", temperature: float = 0.1, first_temperature: float = 0.04,
        teacher_temperature: float = 0.05, warm_up: float = 0.3, momentum: float | None = None, local_views: int = 0, crop: float = 0.6,
        local_crop: float = 0.3, jitter: float = 0.2, blur: float = 0.0, **views: Any,
    ) -> None:  # fmt: skip
        at_least(2, outputs=outputs)
        above(0, temperature=temperature, first_temperature=first_temperature, teacher_temperature=teacher_temperature)
        share(warm_up=warm_up, momentum=momentum)
        head = cluster_head(backbone.width, hidden, bottleneck, outputs, normalise=normalise)
        super().__init__(backbone, head, local_views=local_views, crop=crop, local_crop=local_crop, jitter=jitter, blur=blur, **views)
        self.teacher = Teacher(self, "backbone", "projector")
        self.centring, self.temperature, self.momentum = centring, temperature, momentum
        self.first, self.last, self.warm_up = first_temperature, teacher_temperature, warm_up
        self.register_buffer("centre", torch.zeros(outputs))

    def forward(self, views: Views) -> Output:
        wide = views["global"]
        answers = self.teacher.project(wide.flatten(0, 1)).reshape(*wide.shape[:2], -1)
        return {**super().forward(views), "teacher": answers}

    def loss(self, output: Output) -> dict[str, Tensor]:
        targets = torch.stack([self.spread(answers, self.centre) for answers in output["teacher"].unbind(1)], dim=1)
        return {"answers": crossed_entropy(targets, by_view(output).transpose(0, 1), self.temperature)}

    @torch.no_grad()
    def spread(self, answers: Float[Tensor, "N K"], centre: Float[Tensor, " K"]) -> Float[Tensor, "N K"]:
        """The teacher's answers as shares that sum to 1, spread over all of them and sharpened."""
        risen = 1.0 if self.warm_up == 0 else min(1.0, float(self.progress) / self.warm_up)
        temperature = self.first + (self.last - self.first) * risen
        if self.centring == "sinkhorn":
            return assigned(answers, epsilon=temperature, iterations=3)
        return F.softmax((answers - centre) / temperature, dim=-1)

    def after_step(self, output: Output) -> None:
        follow(self.centre, output["teacher"])
        self.teacher.follow(self, momentum_at(self.progress, self.steps, start=self.momentum))

    def blind_loss(self, rows: int) -> float | None:
        return math.log(len(self.centre))


def follow(centre: Float[Tensor, " K"], answers: Float[Tensor, "B V K"]) -> None:
    """Move a running centre towards the mean of a batch's answers. DINO, equation 4."""
    centre.lerp_(answers.mean(dim=(0, 1)).to(centre), 1 - CENTRE)
