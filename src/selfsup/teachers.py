"""Slow teachers: copies of a task's networks that follow them at a distance, and are never trained."""

from __future__ import annotations

import copy
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from selfsup.backbones import Backbone

HORIZON = 0.05
"""The share of a run that a teacher's memory spans at first: of 260 steps it averages 13, where the papers' .996 would average 250."""


class Teacher(nn.Module):
    """Copies of some parts of a task, by the same names, that follow as exponential moving averages. Tarvainen, Valpola, NeurIPS 2017.

    `self.teacher = Teacher(self, "backbone", "projector")` gives `self.teacher.backbone` and `self.teacher.projector`; call them under
    `torch.no_grad()`, and `follow` from `after_step`. They stay in fp32, as the weights that are trained do: in bf16 a share of .004 is
    rounded away. Statistics of BatchNorm are the copies' own, of the batch they see; or, without `own_statistics`, running ones that follow
    those of what is copied, so that rows do not see each other. Cai et al. (EMAN), CVPR 2021, arXiv 2101.08482, section 3.
    """

    backbone: Backbone
    projector: nn.Module

    def __init__(self, task: nn.Module, *parts: str, own_statistics: bool = True) -> None:
        super().__init__()
        self.own_statistics = own_statistics
        for part in parts:
            self.add_module(part, copy.deepcopy(task.get_submodule(part)).requires_grad_(False))
        self.train()

    @torch.no_grad()
    def project(self, images: Float[Tensor, "N C h w"]) -> Float[Tensor, "N D"]:
        """What the copies of `backbone` and `projector` make of pictures, without gradients."""
        projected: Tensor = self.projector(self.backbone.embed(images))
        return projected

    @torch.no_grad()
    def follow(self, task: nn.Module, momentum: float) -> None:
        """Keep a share of `momentum` of each weight, and take the rest from the same part of `task`."""
        for name, part in self.named_children():
            own: list[Tensor] = list(part.parameters())
            followed: list[Tensor] = list(task.get_submodule(name).parameters())
            if not self.own_statistics:
                own += _statistics(part)
                followed += _statistics(task.get_submodule(name))
            torch._foreach_lerp_(own, followed, 1 - momentum)

    def train(self, mode: bool = True) -> Teacher:
        """Copies without statistics of their own always use the running ones."""
        return super().train(mode and self.own_statistics)


def _statistics(part: nn.Module) -> list[Tensor]:
    """Running means and variances, and what else a network keeps as numbers that no gradient trains."""
    return [buffer for buffer in part.buffers() if buffer.is_floating_point()]


def momentum_at(progress: Tensor, steps: Tensor, *, start: float | None, horizon: float = HORIZON, most: float = 0.996) -> float:
    """The momentum at this point of a run, from `start` to 1 along a cosine. Grill et al., NeurIPS 2020, arXiv 2006.07733, section 3.3.

    Without a `start` it is 1 - 1 / (`horizon` × steps), and never above `most`, which papers take for runs of 10⁵ steps and more: a teacher
    that remembers longer than the run is long stays what it was when nothing was learned.
    """
    first = min(most, max(0.0, 1 - 1 / max(1.0, horizon * float(steps)))) if start is None else start
    return 1 - (1 - first) * (math.cos(math.pi * float(progress)) + 1) / 2
